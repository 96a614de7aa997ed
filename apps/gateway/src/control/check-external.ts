/**
 * Asks external nodes whether they and their versions are ready: nobody reports it for them. One that says so takes part at once;
 * one that fails twice in a row leaves the table, and its version's share goes to others when nobody else is ready.
 */
import type { Logger } from '#platform/logger';
import type { Core } from '../data-plane/core.js';
import type { ExternalServer, Replica } from '../data-plane/upstreams.js';
import { readyPathOf, saysReady } from './ask-ready.js';

const everyMs = 1_000;
const failuresToLeave = 2;

export class ExternalChecks {
  private readonly failures = new WeakMap<ExternalServer, number>();
  private readonly timer: NodeJS.Timeout;
  private round: Promise<void> | undefined;
  private isClosed = false;

  constructor(
    private readonly core: Core,
    private readonly logger: Logger,
  ) {
    this.timer = setInterval(() => this.look(), everyMs).unref();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.timer);
    await this.round;
  }

  /** Rounds never overlap. */
  private look(): void {
    const external = [...this.core.upstreams.all()].flatMap((replica) =>
      replica.external ? [{ replica, server: replica.external }] : [],
    );
    if (external.length === 0) return;
    this.round ??= Promise.all(external.map(({ replica, server }) => this.check(replica, server)))
      .then((changes) => {
        if (changes.includes(true) && !this.isClosed) this.core.recompile();
      })
      .finally(() => (this.round = undefined));
  }

  /** Whether the answer changes who takes traffic. */
  private async check(replica: Replica, server: ExternalServer): Promise<boolean> {
    const answers = await Promise.all([
      saysReady(this.core, replica, '/v2/health/ready'),
      saysReady(this.core, replica, readyPathOf(replica)),
    ]);
    const isReady = answers.every(Boolean);
    const failures = isReady ? 0 : (this.failures.get(server) ?? 0) + 1;
    this.failures.set(server, failures);
    if (isReady === server.isReady || (!isReady && failures < failuresToLeave)) return false;
    server.isReady = isReady;
    const what = { node: replica.address, path: replica.path };
    if (isReady) this.logger.info(what, 'external node is ready');
    else this.logger.warn(what, 'external node is not ready');
    return true;
  }
}
