/** Several gateways on one ledger, in random histories on a clock of their own: nothing is admitted past a limit, nothing is lost for ever. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SnapshotQuota } from '#contracts/snapshot';
import type { LeaseCall } from '#contracts/quotas';
import { QuotaBook } from '#quota/book';
import { noCosts, oneRequest } from '#quota/cell';
import { LeaseDesk, settleAll } from '#quota/lease-desk';
import { MemoryLedger } from '#quota/memory-ledger.case';
import { windowAt } from '#quota/windows';

const quotaOf = (n: number, over: object): SnapshotQuota =>
  SnapshotQuota.parse({
    id: `0198f000-0000-7000-8000-00000000000${n}`,
    name: `q${n}`,
    client_id: null,
    endpoint: null,
    window: 'minute',
    limit: 20,
    per_client: false,
    outage: 'deny',
    ...over,
  });

/** A world with one clock, one ledger and some gateways. */
class World {
  nowMs = Date.UTC(2026, 0, 1) + 17_000;
  /** Admitted requests by quota and window. */
  readonly admitted = new Map<string, number>();
  readonly ledger: MemoryLedger;
  gateways: Gateway[];

  constructor(
    readonly quotas: SnapshotQuota[],
    gateways: number,
  ) {
    this.ledger = new MemoryLedger(
      (id) => {
        const quota = quotas.find((row) => row.id === id);
        return quota && { ...quota, refillPerSecond: quota.refill_per_second, timeZone: 'UTC' };
      },
      () => this.nowMs,
    );
    this.gateways = Array.from({ length: gateways }, (_, index) => new Gateway(this, index));
  }

  /** @param change 1: a request was admitted; -1: one that was admitted then failed, and gave back what it took */
  note(change: 1 | -1, atMs: number): void {
    const { startMs } = windowAt('minute', 'UTC', atMs);
    for (const { name, limit } of this.quotas) {
      const key = `${name} ${startMs}`;
      this.admitted.set(key, (this.admitted.get(key) ?? 0) + change);
      expect(this.admitted.get(key)).toBeLessThanOrEqual(limit);
    }
  }
}

let holders = 0;

/** `npm run test:histories` tries more of them. */
const histories = Number(process.env['HISTORIES'] ?? 500);

class Gateway {
  readonly book = new QuotaBook();
  readonly desk = new LeaseDesk(this.book);
  readonly holder = `holder-${(holders += 1)}`;
  private sequence = 0;
  private readonly open: number[] = [];

  constructor(
    private readonly world: World,
    readonly index: number,
  ) {
    this.book.replace(world.quotas);
  }

  private get cells() {
    return this.book.cellsFor('iris', 'client', undefined);
  }

  /** Sends what there is to send, with an answer that may come late or have to be asked for twice. */
  sync(delayMs = 0, isTwice = false): void {
    if (!this.desk.hasDemand) return;
    const sentMs = this.world.nowMs;
    const items = this.desk.collect(sentMs);
    const call: LeaseCall = { holder: this.holder, sequence: (this.sequence += 1), hold_ms: 0, items };
    if (isTwice) this.world.ledger.call(call);
    const answer = this.world.ledger.call(call);
    this.world.nowMs += delayMs;
    this.desk.apply(items, answer, sentMs, this.world.nowMs);
  }

  /** @returns how many of the requests were admitted */
  async ask(requests: number, delayMs = 0, isTwice = false): Promise<number> {
    let admitted = 0;
    const waiting: Promise<void>[] = [];
    const take = (isAdmitted: boolean): void => {
      if (!isAdmitted) return;
      admitted += 1;
      this.world.note(1, this.world.nowMs);
      this.open.push(this.world.nowMs);
    };
    for (let i = 0; i < requests; i += 1) {
      const verdict = this.desk.admit(this.cells, oneRequest, this.world.nowMs);
      if (verdict instanceof Promise) waiting.push(verdict.then((denial) => take(denial === undefined)));
      else take(verdict === undefined);
    }
    // A waiter that is sent back to the queue is there again within one call.
    for (let round = 0; round < 4; round += 1) this.sync(round === 0 ? delayMs : 0, isTwice);
    if (waiting.length > 0 && this.desk.hasDemand) this.desk.fail(this.world.nowMs);
    await Promise.all(waiting);
    return admitted;
  }

  /** Ends open requests; some fail, and give back what they took. */
  finish(failures: number): void {
    for (const [index, takenAtMs] of this.open.splice(0).entries()) {
      const isFailed = index < failures;
      settleAll(this.cells, oneRequest, isFailed ? noCosts : oneRequest, takenAtMs);
      if (isFailed) this.world.note(-1, takenAtMs);
    }
  }

  leave(): void {
    this.desk.giveBackAll();
    while (this.desk.hasDemand) this.sync();
  }
}

type Step =
  | {
      readonly kind: 'ask';
      readonly gateway: number;
      readonly requests: number;
      readonly delayMs: number;
      readonly twice: boolean;
    }
  | { readonly kind: 'finish' | 'kill' | 'tick' | 'leave'; readonly gateway: number }
  | { readonly kind: 'wait'; readonly ms: number };

const gateway = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      gateway,
      requests: fc.integer({ min: 1, max: 15 }),
      delayMs: fc.constantFrom(0, 0, 3, 900),
      twice: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('finish' as const, 'kill' as const, 'tick' as const, 'leave' as const),
      gateway,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(10, 1_000, 3_000, 20_000, 45_000),
    }),
  },
);

async function run(world: World, steps: readonly Step[]): Promise<void> {
  for (const now of steps) {
    if (now.kind === 'wait') {
      world.nowMs += now.ms;
      continue;
    }
    const chosen = world.gateways[now.gateway];
    if (!chosen) continue;
    if (now.kind === 'ask') await chosen.ask(now.requests, now.delayMs, now.twice);
    else if (now.kind === 'finish') chosen.finish(3);
    else if (now.kind === 'leave') chosen.leave();
    else if (now.kind === 'tick') {
      chosen.desk.tick(world.nowMs);
      chosen.sync();
    } else {
      // Killed: nobody hears of what it held until the ledger ends its lease.
      world.gateways[now.gateway] = new Gateway(world, now.gateway);
      world.ledger.expire(chosen.holder);
    }
  }
}

describe('gateways on one ledger', () => {
  it('never admit more than any limit in any window, and can use all of the next one', async () => {
    const limits = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(limits, fc.array(step, { maxLength: 40 }), async (sizes, steps) => {
        const world = new World(
          sizes.map((limit, n) => quotaOf(n, { limit })),
          3,
        );
        await run(world, steps);
        world.nowMs = windowAt('minute', 'UTC', world.nowMs).endMs + 1;
        const [first] = world.gateways;
        expect(await first?.ask(100)).toBe(Math.min(...sizes));
      }),
      { numRuns: histories },
    );
  });

  it('share a limit to the last request when all but one leave', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(gateway, fc.integer({ min: 1, max: 9 })), { maxLength: 20 }),
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
    const [, tally] = [...(only?.book.tallies() ?? [])][0] ?? [];
    expect(tally?.shadowDenied).toBeGreaterThanOrEqual(4);
    expect(tally?.denied).toBe(0);
  });
});
