import { describe, expect, it } from 'vitest';
import { backoffMs, pause } from './backoff.js';
import { Gate } from './gate.js';
import { Wake } from './wake.js';

const never = new AbortController().signal;

describe('Wake', () => {
  it('ends a wait, and one that comes later too', async () => {
    const wake = new Wake();
    const waiting = wake.wait(60_000, never);
    wake.wake();
    expect(await waiting).toBe(true);
    expect(await wake.wait(60_000, never)).toBe(true);
    wake.clear();
    expect(await wake.wait(1, never)).toBe(false);
    expect(await wake.wait(60_000, AbortSignal.abort())).toBe(false);
  });
});

describe('Gate', () => {
  it('lets only so many run at once, in order, and drops who gave up', async () => {
    const gate = new Gate(1);
    const order: string[] = [];
    let finish: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (finish = resolve));
    const first = gate.run(never, () => held);
    const second = gate.run(AbortSignal.abort(new Error('gave up')), () =>
      Promise.resolve(order.push('second')),
    );
    const third = gate.run(never, () => Promise.resolve(order.push('third')));
    finish();
    await first;
    await expect(second).rejects.toThrow('gave up');
    await third;
    expect(order).toEqual(['third']);
  });
});

describe('backoffMs', () => {
  it('doubles to its bound, half of it random', () => {
    const backoff = { firstMs: 100, maxMs: 1_000 };
    expect([1, 2, 3, 10].map((failures) => backoffMs(backoff, failures, () => 1))).toEqual([
      100, 200, 400, 1_000,
    ]);
    expect(backoffMs(backoff, 1, () => 0)).toBe(50);
  });

  it('is cut short by an abort', async () => {
    const abort = new AbortController();
    const waiting = pause(60_000, abort.signal);
    abort.abort();
    await waiting;
  });
});
