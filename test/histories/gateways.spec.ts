/**
 * Several gateways on one ledger, in random histories on clocks of their own: gateways that are killed or stopped, answers that are
 * late or lost, a ledger that is away, restarts, or has its clock set. Nothing is admitted past a limit, nothing is lost for ever.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { oneRequest } from '#quota/cell';
import { settleAll } from '#quota/lease-desk';
import { windowAt } from '#quota/windows';
import type { CalendarWindow } from '#quota/windows';
import { Gateway, World, limitsOf, quotaOf } from './world.js';

/** `npm run test:histories` tries more of them. */
const histories = Number(process.env['HISTORIES'] ?? 500);
const timeoutMs = 60 * Math.max(histories, 1_000);

type Step =
  | {
      readonly kind: 'ask';
      readonly gateway: number;
      readonly client: string;
      readonly requests: number;
      readonly delayMs: number;
      readonly fate: 'answered' | 'twice' | 'unheard' | 'unanswered';
    }
  | { readonly kind: 'finish' | 'kill' | 'tick' | 'leave'; readonly gateway: number }
  | { readonly kind: 'stop'; readonly gateway: number; readonly ms: number }
  | { readonly kind: 'away'; readonly isAway: boolean }
  | { readonly kind: 'step'; readonly ms: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'edge'; readonly window: CalendarWindow; readonly beforeMs: number };

const gateway = fc.nat(3);
const client = fc.constantFrom('ann', 'bob', 'eve');
const window = fc.constantFrom('second' as const, 'minute' as const, 'minute' as const, 'hour' as const);
const size = { limit: fc.integer({ min: 1, max: 60 }), per_client: fc.boolean() };
const calendarLimit = fc.record({ ...size, window });
const refill_per_second = fc.constantFrom(0.5, 3, 17.3);
const bucket = fc.record({ ...size, window: fc.constant('bucket' as const), refill_per_second });
/** By a clock that is set forward a bucket refills at once, so those are for clocks that tell the time. */
const limitsOn = (withClockSteps: boolean) =>
  fc.array(withClockSteps ? calendarLimit : fc.oneof({ weight: 3, arbitrary: calendarLimit }, bucket), {
    minLength: 1,
    maxLength: 4,
  });
const stepOf = (withClockSteps: boolean): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('ask' as const),
        gateway,
        client,
        requests: fc.integer({ min: 1, max: 15 }),
        delayMs: fc.constantFrom(0, 0, 1, 3, 900),
        fate: fc.constantFrom('answered' as const, 'answered' as const, 'twice', 'unheard', 'unanswered'),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom('finish' as const, 'kill' as const, 'tick' as const, 'tick', 'leave' as const),
        gateway,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('stop' as const),
        gateway,
        ms: fc.constantFrom(500, 5_000, 50_000),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('away' as const), isAway: fc.boolean() }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('wait' as const),
        ms: fc.constantFrom(1, 10, 400, 1_000, 3_000, 20_000, 45_000),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('edge' as const),
        window,
        beforeMs: fc.constantFrom(1_500, 300, 4, 1, 0),
      }),
    },
    ...(withClockSteps
      ? [
          {
            weight: 2,
            arbitrary: fc.record({
              kind: fc.constant('step' as const),
              ms: fc.constantFrom(-90_000, -4_000, -20, 20, 4_000, 90_000),
            }),
          },
        ]
      : []),
  );

async function act(world: World, step: Exclude<Step, { kind: 'ask' }>): Promise<void> {
  switch (step.kind) {
    case 'wait':
      world.nowMs += step.ms;
      return;
    case 'edge':
      world.nowMs = Math.max(world.nowMs, world.windowEndMs(step.window) - step.beforeMs);
      return;
    case 'step':
      world.stepMs += step.ms;
      return;
    case 'away':
      world.isAway = step.isAway;
      return;
    case 'stop': {
      // Stopped in the middle of a call: it was served, and the answer lies unread.
      await world.gateways[step.gateway]?.ask(1, step.ms, 'answered');
      return;
    }
    case 'finish':
      world.gateways[step.gateway]?.finish(3);
      return;
    case 'leave':
      world.gateways[step.gateway]?.leave();
      return;
    case 'tick':
      world.gateways[step.gateway]?.tick();
      return;
    case 'kill':
      // Nobody hears of what it held until the ledger ends its lease.
      if (world.gateways[step.gateway]) world.gateways[step.gateway] = new Gateway(world, step.gateway);
  }
}

async function live(world: World, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if (step.kind === 'ask') {
      const { requests, delayMs, fate, client: name } = step;
      await world.gateways[step.gateway]?.ask(requests, delayMs, fate, name);
    } else await act(world, step);
    world.ledger.sweep();
    world.check();
  }
}

/** When every lease of the past has ended and a new window has begun, all of the limit can be used. */
async function expectWhole(world: World): Promise<void> {
  world.isAway = false;
  world.nowMs += 40_000 + Math.max(0, world.latestLedgerMs - world.ledgerMs);
  world.ledger.sweep();
  const latestMs = Math.max(world.latestLedgerMs, world.ledgerMs) + 200_000;
  world.nowMs += windowAt('hour', 'UTC', latestMs).endMs + 1 - world.ledgerMs;
  world.ledger.sweep();
  const heir = new Gateway(world, 0);
  expect(await heir.ask(100)).toBe(Math.min(...limitsOf(world)));
}

describe('gateways on one ledger', () => {
  it.each([
    ['never admit more than any limit in any window', false],
    ['nor while the ledger’s clock is set back and forth', true],
  ])(
    '%s, and lose nothing for ever',
    async (_, withClockSteps) => {
      await fc.assert(
        fc.asyncProperty(
          limitsOn(withClockSteps),
          fc.integer({ min: 1, max: 4 }),
          fc.array(stepOf(withClockSteps), { maxLength: 40 }),
          async (rules, gateways, steps) => {
            const world = new World(
              rules.map((rule, n) => quotaOf(n, rule)),
              gateways,
            );
            world.isOnTime = !withClockSteps;
            await live(world, steps);
            await expectWhole(world);
          },
        ),
        { numRuns: histories },
      );
    },
    timeoutMs,
  );

  it('spend no block of a window that has passed while nothing happened', async () => {
    const world = new World([quotaOf(1, { window: 'second', limit: 1 })], 2);
    const [one, two] = world.gateways;
    world.nowMs = world.windowEndMs('second') - 100;
    expect(await one?.ask(1)).toBe(1);
    // Refused, it asks for a block of the next second.
    expect(await two?.ask(2)).toBe(0);
    await two?.ask(1);
    world.nowMs += 3_000;
    expect(await two?.ask(2)).toBe(1);
  });

  it('share a limit to the last request when all but one leave', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 9 })), { maxLength: 20 }),
        async (asks) => {
          const world = new World([quotaOf(1, { limit: 100 })], 3);
          let admitted = 0;
          for (const [index, requests] of asks) admitted += (await world.gateways[index]?.ask(requests)) ?? 0;
          for (const each of world.gateways) each.finish(0);
          for (const each of world.gateways) each.leave();
          expect(admitted + ((await world.gateways[0]?.ask(200)) ?? 0)).toBe(100);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('give back what is idle', async () => {
    const world = new World([quotaOf(1, { limit: 100 })], 2);
    const [one, two] = world.gateways;
    expect(await one?.ask(1)).toBe(1);
    one?.finish(0);
    expect(one?.cells[0]?.held).toBe(50);
    world.nowMs += 1_000;
    one?.tick();
    expect(one?.cells[0]?.held).toBe(50);
    world.nowMs += 2_000;
    one?.tick();
    expect(one?.cells[0]?.held).toBe(0);
    expect(await two?.ask(200)).toBe(99);
  });

  it('cost a hot key less than one lease call per 100 requests', async () => {
    const world = new World([quotaOf(1, { limit: 1_000_000 })], 1);
    const [only] = world.gateways;
    for (let i = 0; i < 2_000; i += 1) {
      await only?.ask(5);
      only?.finish(0);
      world.nowMs += 5;
      if (i % 200 === 199) only?.desk.tick(world.nowMs);
    }
    expect(world.ledger.calls).toBeLessThanOrEqual(100);
  });

  it.each(['second', 'minute'] as const)(
    'make no request wait at the beginning of a %s when leases are warm',
    async (window) => {
      const world = new World([quotaOf(1, { window, limit: 90_000 })], 1);
      world.isOnTime = false;
      const [only] = world.gateways;
      const waits: number[] = [];
      const begunMs = world.windowEndMs(window) - 3_000;
      for (let ms = 0; ms < 6_000; ms += 1) {
        world.nowMs = begunMs + ms;
        const verdict = only?.desk.admit(only.cells, oneRequest, only.nowMs);
        if (verdict instanceof Promise) waits.push(ms);
        else if (verdict === undefined) only?.settleOne();
        else throw new Error('refused');
        only?.deliver(4);
        if (ms % 1_000 === 999) only?.desk.tick(only.nowMs);
      }
      expect(Math.max(...waits)).toBeLessThan(5);
      expect(world.ledger.calls).toBeLessThanOrEqual(6_000 / 100);
    },
  );

  it('lets a bucket admit its burst and then its rate', async () => {
    const world = new World([], 2);
    world.quotas.push(quotaOf(1, { window: 'bucket', limit: 10, refill_per_second: 2 }));
    for (const each of world.gateways) each.book.replace(world.quotas);
    world.note = () => undefined;
    let admitted = 0;
    for (let second = 0; second <= 10; second += 1) {
      for (const each of world.gateways) {
        admitted += await each.ask(20);
        each.finish(0);
        each.desk.tick(world.nowMs);
        each.sync();
      }
      world.nowMs += 1_000;
    }
    expect(admitted).toBeGreaterThanOrEqual(10 + 2 * 9);
    expect(admitted).toBeLessThanOrEqual(10 + 2 * 10);
  });

  it('counts concurrency while requests last', async () => {
    const world = new World([], 2);
    world.quotas.push(quotaOf(1, { unit: 'concurrency', window: null, limit: 5 }));
    for (const each of world.gateways) each.book.replace(world.quotas);
    world.note = () => undefined;
    const [one, two] = world.gateways;
    expect(await one?.ask(9)).toBe(5);
    expect(await two?.ask(9)).toBe(0);
    one?.finish(0);
    one?.leave();
    world.nowMs += 1_000;
    expect(await two?.ask(9)).toBe(5);
  });

  it('takes the most that a request can cost, and frees what it did not use', async () => {
    const world = new World([quotaOf(1, { unit: 'compute_ms', limit: 1_000 })], 1);
    const [only] = world.gateways;
    const cells = only?.book.cellsFor('iris', 'client', undefined) ?? [];
    const most = { ...oneRequest, compute_ms: 400 };
    const ask = async (): Promise<boolean> => {
      const verdict = only?.desk.admit(cells, most, world.nowMs);
      only?.sync();
      return (await verdict) === undefined;
    };
    expect([await ask(), await ask(), await ask()]).toEqual([true, true, false]);
    settleAll(cells, most, { ...oneRequest, compute_ms: 15 }, world.nowMs);
    expect([await ask(), await ask()]).toEqual([true, false]);
    expect(cells[0]).toMatchObject({ used: 15, reserved: 985 });
  });

  it('lets shadow quotas pass, and counts whom they would have refused', async () => {
    const world = new World([], 1);
    world.quotas.push(quotaOf(1, { mode: 'shadow', limit: 2 }));
    world.note = () => undefined;
    const [only] = world.gateways;
    only?.book.replace(world.quotas);
    await only?.ask(1);
    expect(await only?.ask(5)).toBe(5);
    const { tally } = [...(only?.book.tallies() ?? [])][0] ?? {};
    expect(tally?.shadowDenied).toBeGreaterThanOrEqual(4);
    expect(tally?.denied).toBe(0);
  });
});
