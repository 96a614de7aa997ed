/**
 * Asks external nodes whether they and their versions are ready: nobody reports it for them. One that says so takes part at once;
 * one that fails twice in a row leaves the table, and its version's share goes to others when nobody else is ready. What is found
 * is told to the registry, for those who look at the nodes there; no request waits for it.
 */
import type { SluiceClient } from '#client/client';
import type { Logger } from '#platform/logger';
import type { Core } from '../data-plane/core.js';
import type { ExternalReplica, ExternalServer } from '../data-plane/upstreams.js';
import { saysReady } from './ask-ready.js';

const everyMs = 1_000;
const failuresToLeave = 2;
/** The registry forgets what it has not heard for 30 s. */
const reportEveryMs = 5_000;
const reportTimeoutMs = 5_000;
/** Of one report. */
const maxReported = 10_000;

export class ExternalChecks {
  private readonly failures = new WeakMap<ExternalServer, number>();
  private readonly timer: NodeJS.Timeout;
  private round: Promise<void> | undefined;
  private reportAtMs = 0;
  private isClosed = false;

  constructor(
    private readonly core: Core,
    private readonly registry: Pick<SluiceClient, 'externalNodes'>,
    private readonly logger: Logger,
  ) {
    this.timer = setInterval(() => {
      this.round ??= this.look().finally(() => (this.round = undefined));
    }, everyMs).unref();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.timer);
    await this.round;
  }

  /** Rounds never overlap. */
  private async look(): Promise<void> {
    const external = [...this.core.upstreams.external()];
    const changes = await Promise.all(external.map((one) => this.check(one)));
    const isChanged = changes.includes(true);
    if (isChanged && !this.isClosed) this.core.recompile();
    const nowMs = performance.now();
    if (external.length > 0 && (isChanged || nowMs >= this.reportAtMs)) {
      this.reportAtMs = nowMs + reportEveryMs;
      void this.report(external);
    }
  }

  /** Whether the answer changes who takes traffic. */
  private async check({ replica, server }: ExternalReplica): Promise<boolean> {
    const isReady = await saysReady(this.core, replica);
    const failures = isReady ? 0 : (this.failures.get(server) ?? 0) + 1;
    this.failures.set(server, failures);
    if (isReady === server.isReady || (!isReady && failures < failuresToLeave)) return false;
    server.isReady = isReady;
    const what = { node: replica.address, path: replica.path };
    if (isReady) this.logger.info(what, 'external node is ready');
    else this.logger.warn(what, 'external node is not ready');
    return true;
  }

  /** What cannot be told is told with the next. */
  private async report(external: readonly ExternalReplica[]): Promise<void> {
    const replicas = external
      .slice(0, maxReported)
      .map(({ model, version, replica: { nodeId }, server: { isReady } }) => ({
        node_id: nodeId,
        model,
        version,
        ready: isReady,
      }));
    await this.registry.externalNodes
      .report({ body: { replicas }, signal: AbortSignal.timeout(reportTimeoutMs) })
      .catch((error: unknown) =>
        this.logger.debug({ err: error }, 'the registry could not be told of external nodes'),
      );
  }
}
