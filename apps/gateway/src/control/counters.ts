/** Keeps the quota counts on disk while they change. A kill loses at most the last second of them. */
import type { Logger } from '#platform/logger';
import type { Core } from '../data-plane/core.js';
import type { GatewayFiles } from './files.js';

const saveEveryMs = 1_000;

/** Gives the saved counts back to the quotas, then saves on change until closed. */
export async function keepCounters(
  core: Core,
  file: GatewayFiles['counters'],
  logger: Logger,
): Promise<{ close(): Promise<void> }> {
  // Quotas are known only with the first snapshot, and counts only fit known quotas.
  const saved = (await file.read()) ?? [];
  core.onFirstTable = () => core.quotas.restore(saved, Date.now());
  let written = '';
  const save = async (durable: boolean): Promise<void> => {
    if (!core.table) return;
    const nowMs = Date.now();
    core.quotas.sweep(nowMs);
    const rows = core.quotas.save(nowMs);
    const text = JSON.stringify(rows);
    if (text === written && !durable) return;
    await file.write(rows, durable);
    written = text;
  };
  const timer = setInterval(() => {
    save(false).catch((error: unknown) => logger.error({ err: error }, 'quota counts cannot be saved'));
  }, saveEveryMs);
  return {
    close() {
      clearInterval(timer);
      return save(true);
    },
  };
}
