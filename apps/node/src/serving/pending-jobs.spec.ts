import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Job, Outcome } from './outcome.js';
import { crashed, failure, unbegun } from './outcome.js';
import { PendingJobs, stuckAtMs } from './pending-jobs.js';

const limits = { hardLimitMs: 1_000, slackMs: 100 };
const answer = failure('RUNNER_FAILED', 'an answer');

describe('stuckAtMs', () => {
  it('waits for the latest deadline of what may be running', () => {
    const jobs = [
      { submittedMs: 0, deadlineMs: 20_000 },
      { submittedMs: 10, deadlineMs: 110 },
    ];
    expect(stuckAtMs(jobs, 0, limits)).toBe(21_000);
  });

  it('ignores what came after the runner had begun', () => {
    const jobs = [
      { submittedMs: 0, deadlineMs: 150 },
      { submittedMs: 101, deadlineMs: 30_000 },
    ];
    expect(stuckAtMs(jobs, 0, limits)).toBe(1_150);
  });

  it('gives a runner that still speaks the whole limit from there', () => {
    expect(stuckAtMs([{ submittedMs: 0, deadlineMs: 150 }], 5_000, limits)).toBe(6_000);
  });

  it('is never before a deadline of what the runner may have taken up, nor before the limit after its last word', () => {
    const times = fc.integer({ min: 0, max: 5_000 });
    const jobs = fc.array(fc.record({ submittedMs: times, deadlineMs: times }), { maxLength: 20 });
    fc.assert(
      fc.property(jobs, times, (inside, heardMs) => {
        const at = stuckAtMs(inside, heardMs, limits);
        expect(at).toBeGreaterThanOrEqual(heardMs + limits.hardLimitMs);
        for (const { submittedMs, deadlineMs } of inside)
          if (submittedMs <= heardMs) expect(at).toBeGreaterThanOrEqual(deadlineMs + limits.hardLimitMs);
      }),
    );
  });
});

describe('the jobs inside a runner', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function inside() {
    const left: number[] = [];
    const onStuck = vi.fn();
    const jobs = new PendingJobs({
      ...limits,
      nowMs: () => Date.now(),
      onLeft: (id) => left.push(id),
      onStuck,
    });
    const outcomes = new Map<number, Outcome>();
    const add = (id: number, timeoutMs: number) => {
      const job: Job = {
        requestId: String(id),
        body: [],
        protocol: 'oip',
        headerLength: undefined,
        timeoutMs,
        settle: (outcome) => outcomes.set(id, outcome),
      };
      const ticket = jobs.add(job);
      expect(ticket.id).toBe(id);
      return ticket;
    };
    return { jobs, add, left, onStuck, outcomes };
  }

  it('are answered at their deadline, and the runner is told', () => {
    const { add, left, outcomes } = inside();
    add(1, 50);
    vi.advanceTimersByTime(49);
    expect(outcomes.size).toBe(0);
    vi.advanceTimersByTime(1);
    expect(outcomes.get(1)).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(left).toEqual([1]);
  });

  it('are answered sooner when their body turns out to say so, never later', () => {
    const { jobs, add, left, outcomes } = inside();
    add(1, 5_000);
    vi.advanceTimersByTime(30);
    jobs.shorten(1, 9_000);
    jobs.shorten(1, 50);
    jobs.shorten(2, 50);
    vi.advanceTimersByTime(19);
    expect(outcomes.size).toBe(0);
    vi.advanceTimersByTime(1);
    expect(outcomes.get(1)).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(left).toEqual([1]);
    jobs.shorten(1, 10);
    vi.advanceTimersByTime(10_000);
    expect(left).toEqual([1]);
  });

  it('do not make a runner stuck by waiting behind a longer one', () => {
    const { jobs, add, onStuck } = inside();
    add(1, 20_000);
    vi.advanceTimersByTime(10);
    add(2, 50);
    vi.advanceTimersByTime(15_000);
    expect(onStuck).not.toHaveBeenCalled();
    jobs.heard();
    jobs.settle(1, answer);
    jobs.settle(2, answer);
    vi.advanceTimersByTime(60_000);
    expect(onStuck).not.toHaveBeenCalled();
  });

  it('make it stuck when it stays silent, whatever came after', () => {
    const { add, onStuck } = inside();
    add(1, 50);
    vi.advanceTimersByTime(500);
    add(2, 60_000);
    vi.advanceTimersByTime(549);
    expect(onStuck).not.toHaveBeenCalled();
    vi.advanceTimersByTime(10);
    expect(onStuck).toHaveBeenCalledOnce();
  });

  it('that a runner cannot have begun may go to another one when it ends', () => {
    const { jobs, add, outcomes } = inside();
    add(1, 60_000);
    vi.advanceTimersByTime(limits.slackMs);
    add(2, 60_000);
    vi.advanceTimersByTime(1);
    add(3, 60_000);
    jobs.settleAll();
    expect([...outcomes]).toEqual([
      [1, crashed],
      [2, crashed],
      [3, unbegun],
    ]);
    expect(jobs.size).toBe(0);
  });

  it('that were abandoned count on until the runner lets go of them', async () => {
    const { jobs, add, outcomes } = inside();
    const ticket = add(1, 1_000);
    add(2, 1_000);
    ticket.abandon();
    expect([jobs.size, jobs.ahead]).toEqual([2, 2]);
    add(3, 1_000).abandon();
    expect([jobs.size, jobs.ahead]).toEqual([3, 2]);
    const empty = jobs.whenEmpty();
    for (const id of [1, 2, 3]) jobs.settle(id, answer);
    await empty;
    expect([...outcomes.keys()]).toEqual([2]);
  });
});
