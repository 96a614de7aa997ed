/** The request that a node gets: path, method and an allow-list of the caller's headers, then our own. */
import { sluiceHeaders } from '#contracts/oip';
import { saneTracestate, traceparentOf } from '#platform/trace-context';
import type { CallerRequest } from './caller.js';
import type { Exchange } from './exchange.js';
import { listedByConnection } from './hop-headers.js';
import type { Operation } from './routes.js';
import type { TableVersion } from './routing-table.js';
import type { Replica } from './upstreams.js';

const passedOn = [
  'content-type',
  'accept',
  'accept-encoding',
  'content-encoding',
  'inference-header-content-length',
] as const;

/** How the node's path of an operation begins and ends, around the version's own part. */
const frameOf: Record<Operation, readonly [string, string]> = {
  infer: ['/v2', '/infer'],
  ready: ['/v2', '/ready'],
  metadata: ['/v2', ''],
  config: ['/v2', '/config'],
  stats: ['/v2', '/stats'],
  predict: ['/v1', ':predict'],
  classify: ['/v1', ':classify'],
  regress: ['/v1', ':regress'],
  status: ['/v1', ''],
  signatures: ['/v1', '/metadata'],
};

export const nodePath = (replica: Replica, operation: Operation): string =>
  frameOf[operation][0] + replica.path + frameOf[operation][1];

/** What the replica wants to see: our own credential, but never at a server that is not ours. */
export const authorizationFor = (
  { external }: Replica,
  ours: string,
): readonly ['authorization', string] | readonly [] => {
  const text = external ? external.authorization : ours;
  return text === undefined ? [] : ['authorization', text];
};

/** Flat header list for undici, which does the framing. @param ours the gateway's own credential */
export function nodeHeaders(
  exchange: Exchange,
  replica: Replica,
  ours: string,
  remainingMs: number,
): string[] {
  const { headers } = exchange.req;
  const listed = listedByConnection(headers.connection);
  const fields: string[] = [
    ...authorizationFor(replica, ours),
    sluiceHeaders.requestId,
    exchange.requestId,
    sluiceHeaders.deadlineMs,
    String(Math.max(1, Math.round(remainingMs))),
    'traceparent',
    traceparentOf(exchange.trace),
  ];
  const state = headers['tracestate'];
  const passedState =
    state === undefined || listed.has('tracestate') ? undefined : saneTracestate(state, exchange.trace);
  if (passedState !== undefined) fields.push('tracestate', passedState);
  for (const name of passedOn) {
    const value = headers[name];
    if (typeof value === 'string' && !listed.has(name)) fields.push(name, value);
  }
  return fields;
}

/** How long the caller gives: its own bound when it is sane, else the version's. */
export function timeoutMsOf(
  { headers }: Pick<CallerRequest, 'headers'>,
  version: TableVersion,
  maxTimeoutMs: number,
): number {
  const given = headers[sluiceHeaders.deadlineMs];
  const wanted =
    typeof given === 'string' && /^[1-9]\d{0,8}$/.test(given) ? Number(given) : version.timeoutMs;
  return Math.min(wanted, maxTimeoutMs);
}
