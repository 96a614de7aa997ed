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
  it('lets no more in than it is wide, and the others in order', async () => {
    const gate = new Gate(1);
    const order: string[] = [];
    const leaveFirst = await gate.enter();
    const others = ['second', 'third'].map(async (name) => {
      const leave = await gate.enter();
      order.push(name);
      return leave;
    });
    expect(order).toEqual([]);
    leaveFirst();
    const leaveSecond = await others[0];
    expect(order).toEqual(['second']);
    leaveSecond?.();
    const leaveThird = await others[1];
    expect(order).toEqual(['second', 'third']);
    leaveThird?.();
    (await gate.enter())();
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
