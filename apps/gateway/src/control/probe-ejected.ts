/** Asks ejected replicas whether they are ready again, so that one that has recovered does not stay out for its whole time. */
import { mayProbe, outlierDefaults, readmit } from '#routing/outlier';
import type { Logger } from '#platform/logger';
import type { Core } from '../data-plane/core.js';
import type { Replica } from '../data-plane/upstreams.js';

const everyMs = 500;
const timeoutMs = 1_000;

async function isReady({ pool, readyPath }: Replica, authorization: string): Promise<boolean> {
  const { statusCode, body } = await pool.request({
    path: readyPath,
    method: 'GET',
    headers: { authorization },
    signal: AbortSignal.timeout(timeoutMs),
  });
  await body.dump();
  return statusCode === 200;
}

export function probeEjected(core: Core, logger: Logger): { close(): void } {
  const asked = new Set<Replica>();
  const probe = async (replica: Replica): Promise<void> => {
    asked.add(replica);
    // One that cannot be reached simply stays out.
    const ready = await isReady(replica, core.authorization).catch(() => false);
    asked.delete(replica);
    if (!ready) return;
    readmit(replica.health, performance.now());
    logger.info({ node: replica.address, path: replica.readyPath }, 'ejected replica is ready again');
  };
  const timer = setInterval(() => {
    const nowMs = performance.now();
    for (const replica of core.upstreams.all())
      if (mayProbe(replica.health, nowMs, outlierDefaults) && !asked.has(replica)) void probe(replica);
  }, everyMs).unref();
  return { close: () => clearInterval(timer) };
}
