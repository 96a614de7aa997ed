/**
 * Several gateways on one ledger, in random histories on clocks of their own: gateways that are killed or stopped, answers that are
 * late or lost, a ledger that is away, restarts, or has its clock set. Nothing is admitted past a limit, nothing is lost for ever.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { oneRequest } from '#quota/costs';
import { isDenial, settleAll } from '#quota/lease-desk';
import { windowAt } from '#quota/windows';
import { Gateway, holdMs } from './gateway.js';
import { live, quotas, startMs, steps, stepsWithClockSteps, strictQuotas, timeZone } from './steps.js';
import { World, quotaOf } from './world.js';

/** `npm run test:histories` tries more of them. */
const histories = Number(process.env['HISTORIES'] ?? 500);
const timeoutMs = 60 * Math.max(histories, 1_000);

/** Who asks at last: by quotas that count each client apart, everybody has asked as much. */
const lastClient = 'ann';
const oneOfEach = { ...oneRequest, rows: 1, bytes: 1, compute_ms: 1 };

/** When every lease of the past has ended and new windows have begun, all of each limit can be used. */
async function expectWhole(world: World): Promise<void> {
  world.isAway = false;
  world.nowMs += 40_000 + Math.max(0, world.latestLedgerMs - world.ledgerMs);
  world.ledger.sweep();
  world.nowMs += 40_000 + holdMs;
  world.ledger.sweep();
  const latestMs = world.latestLedgerMs + 200_000;
  const endMs = windowAt('day', world.timeZone, latestMs).endMs;
  world.nowMs += windowAt('hour', 'UTC', endMs).endMs + 1 - world.ledgerMs;
  world.ledger.sweep();
  const heir = new Gateway(world, 0);
  const enforced = world.quotas.filter(({ mode }) => mode === 'enforce');
  const limits = enforced.map((quota) => world.limitOf(quota, quota.per_client ? lastClient : ''));
  // That it is no more, the referee sees to; what was granted to a bucket stays in it.
  const admitted = await heir.ask({ requests: 100, costs: oneOfEach, client: lastClient });
  expect(admitted).toBeGreaterThanOrEqual(Math.min(100, ...limits));
}

describe('gateways on one ledger', () => {
  it.each([
    ['strict limits', strictQuotas, steps, true],
    ['limits of any unit, window and policy', quotas, steps, true],
    ['the same while the ledger’s clock is set back and forth', quotas, stepsWithClockSteps, false],
  ] as const)(
    'never admit more than the limit in any window, and lose nothing for ever: %s',
    async (_, rules, acts, isOnTime) => {
      await fc.assert(
        fc.asyncProperty(
          rules,
          fc.integer({ min: 1, max: 4 }),
          fc.record({ startMs, timeZone }),
          acts,
          async (drawn, gateways, setting, told) => {
            const world = new World(drawn, gateways, { ...setting, isOnTime });
            await live(world, told);
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

  it('spend no block of windows that passed while an answer was under way', async () => {
    const world = new World([quotaOf(1, { window: 'second', limit: 3 })], 1);
    const [only] = world.gateways;
    await only?.ask(1);
    world.nowMs = world.windowEndMs('minute') - 1_500;
    await only?.ask(1);
    await only?.stop(500);
    world.nowMs += 3_000;
    await only?.ask(1);
    await only?.finish(0);
    // The referee sees to it that there are no more than three in this second.
    expect(await only?.ask(9)).toBeGreaterThan(0);
  });

  it('go by a lowered limit in the next window too, though they held a block of it', async () => {
    const world = new World([quotaOf(1, { limit: 60 })], 1);
    const [only] = world.gateways;
    world.nowMs = world.windowEndMs('minute') - 1_000;
    expect(await only?.ask(1)).toBe(1);
    expect(await only?.ask(1)).toBe(1);
    expect(only?.cells[0]?.ahead).toBeGreaterThan(20);
    world.setLimit(quotaOf(1, {}).id, 5);
    only?.hear();
    only?.sync();
    world.nowMs += 2_000;
    expect(await only?.ask(30)).toBe(5);
  });

  it('go by a lowered limit in the next window too, when that begins before the ledger is told', async () => {
    const world = new World([quotaOf(1, { limit: 60 })], 1);
    const [only] = world.gateways;
    world.nowMs = world.windowEndMs('minute') - 1_000;
    expect(await only?.ask(60)).toBe(60);
    for (let i = 0; i < 2; i += 1) expect(await only?.ask(1)).toBe(0);
    expect(only?.cells[0]?.ahead).toBeGreaterThan(20);
    world.setLimit(quotaOf(1, {}).id, 5);
    only?.hear();
    world.nowMs += 2_000;
    expect(await only?.ask(1)).toBe(1);
    expect(await only?.ask(30)).toBe(4);
  });

  it('free no concurrency of a gateway that lives when the ledger’s clock is set forward', async () => {
    const world = new World([quotaOf(1, { unit: 'concurrency', window: null, limit: 5 })], 2);
    const [one, two] = world.gateways;
    expect(await one?.ask(5)).toBe(5);
    world.stepMs = 3_600_000;
    world.ledger.sweep();
    world.ledger.sweep();
    expect(await two?.ask(5)).toBe(0);
    world.nowMs += 40_000;
    world.ledger.sweep();
    world.nowMs += 40_000 + holdMs;
    world.ledger.sweep();
    expect(await two?.ask(5)).toBe(5);
  });

  it('count what an outage policy let in apart from what they hold', async () => {
    const world = new World([quotaOf(1, { unit: 'concurrency', window: null, limit: 5, outage: 'open' })], 1);
    const [only] = world.gateways;
    expect(await only?.ask({ requests: 2, fate: 'unheard' })).toBe(2);
    expect(await only?.ask(9)).toBe(5);
    // The two that nobody counted are over: nothing is free by that.
    await only?.finish(0, 1, 2);
    expect(await only?.ask(9)).toBe(0);
    await only?.finish(0, 1, 2);
    expect(await only?.ask(9)).toBe(2);
  });

  it('share a limit to the last request when all but one leave', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 9 })), { maxLength: 20 }),
        async (asks) => {
          const world = new World([quotaOf(1, { limit: 100 })], 3);
          let admitted = 0;
          for (const [index, requests] of asks) admitted += (await world.gateways[index]?.ask(requests)) ?? 0;
          for (const each of world.gateways) await each.finish(0);
          for (const each of world.gateways) await each.leave();
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
    await one?.finish(0);
    expect(one?.cells[0]?.held).toBe(50);
    world.nowMs += 1_000;
    await one?.tick();
    expect(one?.cells[0]?.held).toBe(50);
    world.nowMs += 2_000;
    await one?.tick();
    expect(one?.cells[0]?.held).toBe(0);
    expect(await two?.ask(200)).toBe(99);
  });

  it('cost a hot key less than one lease call per 100 requests', async () => {
    const world = new World([quotaOf(1, { limit: 1_000_000 })], 1);
    const [only] = world.gateways;
    for (let i = 0; i < 2_000; i += 1) {
      await only?.ask(5);
      await only?.finish(0);
      world.nowMs += 5;
      if (i % 200 === 199) only?.desk.tick(world.nowMs);
    }
    expect(world.ledger.calls).toBeLessThanOrEqual(100);
  });

  it.each(['second', 'minute'] as const)(
    'make no request wait at the beginning of a %s when leases are warm',
    async (window) => {
      const world = new World([quotaOf(1, { window, limit: 90_000 })], 1, { isOnTime: false });
      const [only] = world.gateways;
      const waits: number[] = [];
      const begunMs = world.windowEndMs(window) - 3_000;
      for (let ms = 0; ms < 6_000; ms += 1) {
        world.nowMs = begunMs + ms;
        const verdict = only?.desk.admit(only.cells, oneRequest, only.nowMs);
        if (verdict instanceof Promise) waits.push(ms);
        else if (verdict && !isDenial(verdict)) only?.settleOne();
        else throw new Error('refused');
        only?.deliver(4);
        if (ms % 1_000 === 999) only?.desk.tick(only.nowMs);
      }
      expect(Math.max(...waits)).toBeLessThan(5);
      expect(world.ledger.calls).toBeLessThanOrEqual(6_000 / 100);
    },
  );

  it('lets a bucket admit its burst and then its rate', async () => {
    const world = new World([quotaOf(1, { window: 'bucket', limit: 10, refill_per_second: 2 })], 2);
    let admitted = 0;
    for (let second = 0; second <= 10; second += 1) {
      for (const each of world.gateways) {
        admitted += await each.ask(20);
        await each.finish(0);
        each.desk.tick(world.nowMs);
        each.sync();
      }
      world.nowMs += 1_000;
    }
    expect(admitted).toBeGreaterThanOrEqual(10 + 2 * 9);
    expect(admitted).toBeLessThanOrEqual(10 + 2 * 10);
  });

  it('counts concurrency while requests last', async () => {
    const world = new World([quotaOf(1, { unit: 'concurrency', window: null, limit: 5 })], 2);
    const [one, two] = world.gateways;
    expect(await one?.ask(9)).toBe(5);
    expect(await two?.ask(9)).toBe(0);
    await one?.finish(0);
    await one?.leave();
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
      const admission = await verdict;
      return admission !== undefined && !isDenial(admission);
    };
    expect([await ask(), await ask(), await ask()]).toEqual([true, true, false]);
    settleAll(cells, most, { ...oneRequest, compute_ms: 15 }, world.nowMs);
    expect([await ask(), await ask()]).toEqual([true, false]);
    expect(cells[0]).toMatchObject({ used: 15, reserved: 985 });
  });

  it('lets shadow quotas pass, and counts whom they would have refused', async () => {
    const world = new World([quotaOf(1, { mode: 'shadow', limit: 2 })], 1);
    const [only] = world.gateways;
    await only?.ask(1);
    expect(await only?.ask(5)).toBe(5);
    const { tally } = [...(only?.book.tallies() ?? [])][0] ?? {};
    expect(tally?.shadowDenied).toBeGreaterThanOrEqual(4);
    expect(tally?.denied).toBe(0);
  });
});
