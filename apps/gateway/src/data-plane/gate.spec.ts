import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Gate } from './gate.js';
import type { Visitor } from './gate.js';

const settings = { maxConnectionsPerNode: 2, maxWaiting: 3, maxWaitMs: 100, adaptiveLimit: false };

class Guest implements Visitor {
  isInside = false;
  fate: 'waits' | 'entered' | 'away' = 'waits';
  constructor(
    readonly number: number,
    private readonly log: number[] = [],
  ) {}
  onEntered(): void {
    this.fate = 'entered';
    this.log.push(this.number);
  }
  onTurnedAway(): void {
    this.fate = 'away';
  }
}

const gateFor = (replicas: number, more: Partial<typeof settings> = {}): Gate => {
  const gate = new Gate({ ...settings, ...more });
  gate.resize(replicas);
  return gate;
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('gate', () => {
  it('never lets in more than its limit, and those who wait in their order', () => {
    const steps = fc.array(fc.oneof(fc.constant('enter' as const), fc.nat(20)), { maxLength: 200 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 3 }), (actions, replicas) => {
        const gate = gateFor(replicas);
        const order: number[] = [];
        const guests: Guest[] = [];
        for (const action of actions) {
          if (action === 'enter') {
            const guest = new Guest(guests.length, order);
            guests.push(guest);
            gate.enter(guest);
          } else {
            const guest = guests[action];
            if (guest) gate.leave(guest, undefined);
          }
          const inside = guests.filter(({ isInside }) => isInside).length;
          if (inside !== gate.inFlight || inside > replicas * 2 || gate.waitingCount > 3) return false;
          if (gate.waitingCount > 0 && inside < replicas * 2) return false;
        }
        return order.every((number, i) => i === 0 || number > (order[i - 1] ?? -1));
      }),
    );
  });

  it('turns away at once when too many wait, and after a while who waited in vain', () => {
    const gate = gateFor(1);
    const guests = Array.from({ length: 6 }, (_, number) => new Guest(number));
    for (const guest of guests) gate.enter(guest);
    const fates = (): string[] => guests.map(({ fate }) => fate);
    expect(fates()).toEqual(['entered', 'entered', 'waits', 'waits', 'waits', 'away']);
    for (const guest of guests.slice(0, 1)) gate.leave(guest, undefined);
    vi.advanceTimersByTime(settings.maxWaitMs);
    expect(fates()).toEqual(['entered', 'entered', 'entered', 'away', 'away', 'away']);
    for (const guest of guests) gate.leave(guest, undefined);
    expect([gate.inFlight, gate.waitingCount, vi.getTimerCount()]).toEqual([0, 0, 0]);
  });

  it('lets in who waits when replicas come', () => {
    const gate = gateFor(1);
    const guests = Array.from({ length: 4 }, (_, number) => new Guest(number));
    for (const guest of guests) gate.enter(guest);
    gate.resize(2);
    expect(guests.map(({ fate }) => fate)).toEqual(['entered', 'entered', 'entered', 'entered']);
  });

  it('keeps nobody waiting when the last replica goes, however many they are', () => {
    const gate = gateFor(1, { maxWaiting: 50_000 });
    const elsewhere = gateFor(25_000);
    /** Goes on to the other gate as soon as it is let in. */
    class Wanderer extends Guest {
      override onEntered(): void {
        gate.leave(this, undefined);
        super.onEntered();
        elsewhere.enter(new Guest(this.number));
      }
    }
    const first = [new Guest(0), new Guest(1)];
    const wanderers = Array.from({ length: 50_000 }, (_, number) => new Wanderer(number));
    for (const guest of [...first, ...wanderers]) gate.enter(guest);
    expect([gate.inFlight, gate.waitingCount, elsewhere.inFlight]).toEqual([2, 50_000, 0]);
    gate.resize(0);
    expect([gate.inFlight, gate.waitingCount, elsewhere.inFlight]).toEqual([2, 0, 50_000]);
    gate.resize(1);
    const late = new Guest(2);
    gate.enter(late);
    expect(late.fate).toBe('waits');
  });

  it('follows the latency when told so, below the fixed bound', () => {
    const gate = gateFor(100, { adaptiveLimit: true });
    expect(gate.limit).toBe(20);
    for (let i = 0; i < 400; i++) {
      const guests = Array.from({ length: gate.limit }, (_, number) => new Guest(number));
      for (const guest of guests) gate.enter(guest);
      for (const guest of guests) gate.leave(guest, 5);
    }
    expect(gate.limit).toBe(200);
  });
});
