/** What a node's answer or silence says of the node, and what the caller is told of it. */
import { errors } from 'undici';
import { failed, outlierDefaults, succeeded } from '#routing/outlier';
import type { Core } from './core.js';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';
import type { TableVersion } from './routing-table.js';
import type { Replica } from './upstreams.js';

/** Nothing of the request can have reached the node. */
export const neverConnected = (error: Error): boolean =>
  error instanceof errors.ConnectTimeoutError || ('syscall' in error && error.syscall === 'connect');

/** The node could not serve a request that it should have been able to: another one may. */
export function isNodeTrouble(status: number): boolean {
  return status === 502 || status === 503 || status === 401 || status === 403 || status === 404;
}

/** Whether the caller may see the node's own answer. 401, 403 and 404 are between gateway and node. */
export const isRelayed = (status: number): boolean => status >= 500;

export function troubleAtNode(status: number): Refusal {
  return status === 404
    ? refusal('NO_READY_REPLICA', 'The node does not hold this version any more. Try again.')
    : refusal('UPSTREAM_FAILED', 'The node does not accept this gateway. Try again.');
}

/** No replica can be asked. */
export function nobodyServes({ label }: TableVersion): Refusal {
  return refusal('NO_READY_REPLICA', `No node is ready to serve version ${label} now. Try again.`);
}

/** Notes for or against the replica, which may eject it from among its peers. */
export function judge(
  core: Core,
  replica: Replica,
  peers: readonly Replica[],
  status: number,
  code?: string | string[],
): void {
  // A full queue is no fault: leaving the replica out would only overload the others.
  const isFault = status >= 502 && status <= 504 && code !== 'OVERLOADED';
  if (!isFault) return succeeded(replica.health);
  if (!failed(replica.health, peers, performance.now(), outlierDefaults)) return;
  core.counters.ejections += 1;
  core.logger.warn({ node: replica.address, path: replica.path }, 'replica ejected');
}
