/** What the job queue promises on every backend. */
import { EventEmitter, once } from 'node:events';
import { expect, vi } from 'vitest';
import { openRunner } from '../../apps/registry/src/jobs/job-backend.js';
import type { JobBackendSettings } from '../../apps/registry/src/jobs/job-backend.js';
import type { JobQueue } from '../../apps/registry/src/jobs/job-queue.js';

/** Runs a burst of requests once or twice, and never misses one that comes while it runs. */
export async function coalescesRequests(
  jobs: JobQueue,
  settings: JobBackendSettings,
  isEmpty: () => Promise<boolean>,
): Promise<void> {
  const signals = new EventEmitter();
  let runs = 0;
  let release = (): void => undefined;
  const runner = openRunner(settings, async () => {
    runs += 1;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    signals.emit('started');
    await released;
  });
  try {
    const started = once(signals, 'started');
    await Promise.all(Array.from({ length: 20 }, () => jobs.lookAgain('placement')));
    await started;
    await Promise.all(Array.from({ length: 20 }, () => jobs.lookAgain('placement')));
    const again = once(signals, 'started');
    release();
    await again;
    expect(runs).toBe(2);
    const third = once(signals, 'started');
    release();
    await vi.waitUntil(isEmpty);
    await jobs.lookAgain('placement');
    await third;
    release();
    expect(runs).toBe(3);
  } finally {
    await runner.close();
  }
}
