/**
 * This node's place in the registry: registers with the join token, renews the lease with what the replicas are doing,
 * follows the assignments. When the registry is away it tries again with back-off and nothing else changes: what serves
 * goes on serving. A lost lease means registering again.
 */
import { backoffMs, pause, registryBackoff } from '#client/backoff';
import { SluiceClientError, createClient } from '#client/client';
import type { SluiceClient } from '#client/client';
import type { Assignment, NodeLease, RegisterNode, RenewLease } from '#contracts/nodes';
import { messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { Wake } from './wake.js';

export interface MembershipOptions {
  readonly registryUrl: string;
  readonly joinToken: string;
  readonly self: RegisterNode;
  readonly report: () => RenewLease;
  readonly onRegistered: (lease: NodeLease) => void;
  readonly onAssignments: (assignments: readonly Assignment[]) => void;
  readonly logger: Logger;
  readonly random: () => number;
}

const callMs = 10_000;
const pollWaitMs = 25_000;
/** Changes within this time travel in one report. */
const debounceMs = 15;

/** The registry does not know this node or its credential any more. */
export function hasLostLease(error: unknown): boolean {
  return error instanceof SluiceClientError && [401, 403, 404, 409].includes(error.status);
}

export class Membership {
  private readonly stopped = new AbortController();
  private readonly changes = new Wake();
  private awaiting: (() => void)[] = [];
  private readonly client: SluiceClient;
  private credential = '';
  private running: Promise<void> | undefined;

  constructor(private readonly options: MembershipOptions) {
    this.client = createClient({ baseUrl: options.registryUrl, token: () => this.credential });
  }

  /** The node's own credential, for fetching artifacts. */
  readonly token = (): string => this.credential;

  start(): void {
    this.running = this.run();
  }

  /** Something to report has changed. */
  readonly changed = (): void => this.changes.wake();

  /** Resolves when the registry has taken a report that was made after this call, or at the signal. */
  reported(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.awaiting.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      this.changes.wake();
    });
  }

  /** Ends all calls; with `farewell`, sends a last report first, if the registry answers within its time. */
  async stop(farewell?: {
    readonly report: RenewLease;
    readonly nodeId: string;
    readonly timeoutMs: number;
  }): Promise<void> {
    this.stopped.abort();
    await this.running;
    if (!farewell) return;
    const { report, nodeId, timeoutMs } = farewell;
    try {
      await this.client.nodes.renew({
        params: { node_id: nodeId },
        body: report,
        signal: AbortSignal.timeout(timeoutMs),
      });
    } catch (error) {
      this.options.logger.warn({ reason: messageOf(error) }, 'the last report did not reach the registry');
    }
  }

  private async run(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      const lease = await this.register();
      if (!lease) return;
      const session = new AbortController();
      const both = AbortSignal.any([signal, session.signal]);
      const end = (): void => session.abort();
      await Promise.all([this.renew(lease, both, end), this.follow(lease.node_id, both, end)]);
    }
  }

  /** Tries until it succeeds or the program stops. */
  private async register(): Promise<NodeLease | undefined> {
    const { registryUrl, joinToken, self, onRegistered, logger, random } = this.options;
    const joining = createClient({ baseUrl: registryUrl, token: () => joinToken });
    const { signal } = this.stopped;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        const lease = await joining.nodes.register({ body: self, signal: this.within(callMs, signal) });
        this.credential = lease.credential;
        logger.info({ node_id: lease.node_id, lease_ms: lease.lease_ms }, 'registered');
        onRegistered(lease);
        return lease;
      } catch (error) {
        if (signal.aborted) return undefined;
        logger.warn({ registry: registryUrl, failures, reason: messageOf(error) }, 'registering failed');
        await pause(backoffMs(registryBackoff, failures, random), signal);
      }
    }
    return undefined;
  }

  private async renew(lease: NodeLease, signal: AbortSignal, end: () => void): Promise<void> {
    let everyMs = lease.renew_every_ms;
    this.changes.wake();
    await this.repeat(
      'renewing the lease',
      signal,
      end,
      async () => {
        if (await this.changes.wait(everyMs, signal)) await pause(debounceMs, signal);
        // While stopping, the last report is sent by `stop`.
        if (signal.aborted) return;
        this.changes.clear();
        const fresh = await this.sendReport(lease.node_id, signal);
        this.credential = fresh.credential;
        everyMs = fresh.renew_every_ms;
      },
      () => this.changes.wake(),
    );
  }

  private async sendReport(nodeId: string, signal: AbortSignal): Promise<NodeLease> {
    const heard = this.awaiting;
    this.awaiting = [];
    try {
      const lease = await this.client.nodes.renew({
        params: { node_id: nodeId },
        body: this.options.report(),
        signal: this.within(callMs, signal),
      });
      for (const resolve of heard) resolve();
      return lease;
    } catch (error) {
      this.awaiting.push(...heard);
      throw error;
    }
  }

  private async follow(nodeId: string, signal: AbortSignal, end: () => void): Promise<void> {
    let after = 0;
    let wait = 0;
    await this.repeat('reading the assignments', signal, end, async () => {
      const answer = await this.client.nodes.assignments({
        params: { node_id: nodeId },
        query: { after, wait_ms: wait },
        signal: this.within(wait + callMs, signal),
      });
      wait = pollWaitMs;
      after = answer.revision;
      this.options.onAssignments(answer.assignments);
    });
  }

  /** Repeats a call; failures are waited out, the loss of the lease ends the session. */
  private async repeat(
    what: string,
    signal: AbortSignal,
    end: () => void,
    call: () => Promise<void>,
    onFailure?: () => void,
  ): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await call();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.options.logger.warn({ failures, reason: messageOf(error) }, `${what} failed`);
        onFailure?.();
        await pause(backoffMs(registryBackoff, failures, this.options.random), signal);
        if (hasLostLease(error)) end();
      }
    }
  }

  private within(timeoutMs: number, signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  }
}
