import { describe, expect, it } from 'vitest';
import { failure, unbegun } from './outcome.js';
import type { Job, Outcome } from './outcome.js';
import { KeptBytes } from './kept-bytes.js';
import { PooledJob } from './pooled-job.js';

function pooled(bytes: number, kept = new KeptBytes(1_000)) {
  const timeoutMs = 10_000;
  const outcomes: Outcome[] = [];
  const placed: Job[] = [];
  const pool = { kept, callers: 1, leave: () => void (pool.callers -= 1), place: (_: PooledJob, job: Job) => void placed.push(job) };
  const body = [Buffer.alloc(bytes)];
  const job: Job = { requestId: 'r', body, protocol: 'oip', headerLength: 3, timeoutMs, settle: (outcome) => void outcomes.push(outcome) };
  return { entry: new PooledJob(job, pool), pool, outcomes, placed, body };
} // prettier-ignore

describe('a job that its runner never began', () => {
  it('goes to another runner with what is left of its time, and is answered once', () => {
    const { entry, pool, outcomes, placed, body } = pooled(100);
    entry.settle(unbegun);
    expect(outcomes).toEqual([]);
    expect(pool.callers).toBe(1);
    expect(placed).toEqual([expect.objectContaining({ body, protocol: 'oip', headerLength: 3 })]);
    expect(placed[0]?.timeoutMs).toBeLessThanOrEqual(10_000);
    const answer = failure('RUNNER_FAILED', 'no');
    placed[0]?.settle(answer);
    entry.settle(answer);
    expect(outcomes).toEqual([answer]);
    expect(pool.callers).toBe(0);
  });

  it('is its caller’s again when there was no room to keep its body, which comes back as others end', () => {
    const kept = new KeptBytes(1_000);
    const [answered, abandoned] = [pooled(600, kept), pooled(400, kept)];
    const { entry, outcomes, placed, pool } = pooled(1, kept);
    answered.entry.settle(failure('RUNNER_FAILED', 'no'));
    abandoned.entry.abandon();
    abandoned.entry.settle(unbegun);
    expect([kept.take(1_001), kept.take(1_000)]).toEqual([false, true]);
    entry.settle(unbegun);
    expect(placed).toEqual([]);
    expect(outcomes).toEqual([expect.objectContaining({ code: 'RUNNER_CRASHED' })]);
    expect(pool.callers).toBe(0);
  });

  it('goes nowhere when nobody waits for it', () => {
    const { entry, outcomes, placed } = pooled(100);
    entry.abandon();
    entry.settle(unbegun);
    expect([outcomes, placed]).toEqual([[], []]);
  });
});
