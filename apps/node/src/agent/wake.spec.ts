import { describe, expect, it } from 'vitest';
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
