/** Asks ejected replicas whether they are ready again, so that one that has recovered does not stay out for its whole time. */
import { mayProbe, outlierDefaults, readmit } from '#routing/outlier';
import type { Logger } from '#platform/logger';
import type { Core } from '../data-plane/core.js';
import type { Replica } from '../data-plane/upstreams.js';
import { saysReady } from './ask-ready.js';

const everyMs = 500;
export function probeEjected(core: Core, logger: Logger): { close(): void } {
  const asked = new Set<Replica>();
  const probe = async (replica: Replica): Promise<void> => {
    asked.add(replica);
    const ready = await saysReady(core, replica);
    asked.delete(replica);
    if (!ready) return;
    readmit(replica.health, performance.now());
    logger.info({ node: replica.address, path: replica.path }, 'ejected replica is ready again');
  };
  const timer = setInterval(() => {
    const nowMs = performance.now();
    for (const replica of core.upstreams.all())
      if (mayProbe(replica.health, nowMs, outlierDefaults) && !asked.has(replica)) void probe(replica);
  }, everyMs).unref();
  return { close: () => clearInterval(timer) };
}
