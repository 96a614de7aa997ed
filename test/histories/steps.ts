/** What can happen in a random history, and how it happens. */
import fc from 'fast-check';
import { oneRequest } from '#quota/costs';
import type { SnapshotQuota } from '#contracts/snapshot';
import type { CalendarWindow } from '#quota/windows';
import { Gateway } from './gateway.js';
import type { Fate } from './gateway.js';
import { quotaOf } from './world.js';
import type { World } from './world.js';

export type Step =
  | {
      readonly kind: 'ask';
      readonly gateway: number;
      readonly client: string;
      readonly requests: number;
      /** Rows, bytes and milliseconds that each reserves. */
      readonly most: number;
      readonly delayMs: number;
      readonly fate: Fate;
    }
  | { readonly kind: 'finish'; readonly gateway: number; readonly count: number; readonly usedShare: number }
  | { readonly kind: 'kill' | 'tick' | 'leave' | 'hear'; readonly gateway: number }
  | { readonly kind: 'stop'; readonly gateway: number; readonly ms: number }
  | { readonly kind: 'away'; readonly isAway: boolean }
  | { readonly kind: 'wait' | 'step'; readonly ms: number }
  | { readonly kind: 'edge'; readonly window: CalendarWindow; readonly beforeMs: number }
  | Change;

interface Change {
  readonly kind: 'change';
  readonly what: 'limit' | 'override' | 'revoke' | 'grant' | 'reset';
  readonly quota: number;
  readonly client: string;
  readonly amount: number;
  /** Does not hear of it yet. */
  readonly deaf: number;
}

const gateway = fc.nat(3);
const client = fc.constantFrom('ann', 'bob', 'eve');
const window = fc.constantFrom<CalendarWindow[]>('second', 'minute', 'minute', 'hour', 'day');
const measured = fc.constantFrom('rows' as const, 'bytes' as const, 'compute_ms' as const);
const limit = fc.integer({ min: 1, max: 60 });
const common = {
  limit,
  per_client: fc.boolean(),
  mode: fc.constantFrom('enforce' as const, 'enforce' as const, 'enforce' as const, 'shadow' as const),
  outage: fc.constantFrom('deny' as const, 'deny' as const, 'local_share' as const, 'open' as const),
};
const refill_per_second = fc.constantFrom(0.5, 3, 17.3);

const calendar = fc.record({ ...common, window });
const bucket = fc.record({ ...common, window: fc.constant('bucket' as const), refill_per_second });
const amounts = fc.record({ ...common, window, unit: measured, limit: fc.integer({ min: 5, max: 300 }) });
const concurrency = fc.record({
  ...common,
  window: fc.constant(null),
  unit: fc.constant('concurrency' as const),
});

const some = (rule: fc.Arbitrary<object>): fc.Arbitrary<SnapshotQuota[]> =>
  fc.array(rule, { minLength: 1, maxLength: 4 }).map((rules) => rules.map((over, n) => quotaOf(n, over)));

export const quotas = some(
  fc.oneof(
    { weight: 4, arbitrary: calendar },
    { weight: 2, arbitrary: amounts },
    { weight: 1, arbitrary: bucket },
    { weight: 1, arbitrary: concurrency },
  ),
);
/** Of requests only, and strict: what makes many admissions. */
export const strictQuotas = some(
  fc.record({
    limit,
    per_client: fc.boolean(),
    window: fc.constantFrom('second' as const, 'minute' as const),
  }),
);

/** Before changes of the clocks, a leap day, and the turn of a year. */
export const startMs = fc.constantFrom(
  Date.UTC(2026, 0, 1) + 17_000,
  Date.UTC(2026, 2, 8, 6, 59, 40),
  Date.UTC(2026, 9, 25, 0, 59, 50),
  Date.UTC(2028, 1, 28, 23, 59, 30),
);
export const timeZone = fc.constantFrom('UTC', 'America/New_York', 'Europe/Berlin', 'Asia/Kolkata');

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constant('change' as const),
  what: fc.constantFrom<Change['what'][]>('limit', 'override', 'revoke', 'grant', 'reset'),
  quota: fc.nat(3),
  client,
  amount: limit,
  deaf: fc.nat(7),
});

const clockStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('step' as const),
  ms: fc.constantFrom(-90_000, -4_000, -20, 20, 4_000, 90_000),
});

const ask = fc.record({
  kind: fc.constant('ask' as const),
  gateway,
  client,
  requests: fc.integer({ min: 1, max: 15 }),
  most: fc.integer({ min: 1, max: 20 }),
  delayMs: fc.constantFrom(0, 0, 1, 3, 900),
  fate: fc.constantFrom<Fate[]>('answered', 'answered', 'twice', 'unheard', 'unanswered'),
});
const finish = fc.record({
  kind: fc.constant('finish' as const),
  gateway,
  count: fc.integer({ min: 1, max: 12 }),
  usedShare: fc.constantFrom(0, 0.3, 0.77, 1),
});
const edge = fc.record({
  kind: fc.constant('edge' as const),
  window,
  beforeMs: fc.constantFrom(1_500, 300, 4, 1, 0),
});
const wait = fc.record({
  kind: fc.constant('wait' as const),
  ms: fc.constantFrom(1, 10, 400, 1_000, 3_000, 20_000, 45_000),
});
const other: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom<('kill' | 'tick' | 'leave' | 'hear')[]>('kill', 'tick', 'tick', 'leave', 'hear'),
      gateway,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('stop' as const),
      gateway,
      ms: fc.constantFrom(500, 5_000, 50_000, 100_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('away' as const), isAway: fc.boolean() }) },
);

/** What the end of a window can meet with: requests before and after it, and something in between. */
const turn = (between: fc.Arbitrary<Step>): fc.Arbitrary<Step[]> =>
  fc.tuple(ask, edge, ask, between, wait, ask, finish, ask);

/** @param more what else may happen, and how often */
const stepsWith = (more: fc.Arbitrary<Step>, weight: number): fc.Arbitrary<Step[]> => {
  const one = fc.oneof(
    { weight: 8, arbitrary: ask },
    { weight: 2, arbitrary: finish },
    { weight: 5, arbitrary: other },
    { weight: 3, arbitrary: wait },
    { weight: 1, arbitrary: edge },
    { weight, arbitrary: more },
  );
  const some = fc.oneof(
    { weight: 12, arbitrary: one.map((step) => [step]) },
    { weight: 1, arbitrary: turn(fc.oneof(more, other)) },
  );
  return fc.array(some, { maxLength: 36 }).map((parts) => parts.flat());
};

export const steps = stepsWith(change, 3);
export const stepsWithClockSteps = stepsWith(fc.oneof(change, clockStep), 4);

function applyChange(world: World, { what, quota: index, client: name, amount, deaf }: Change): void {
  const quota = world.quotas[index];
  if (!quota) return;
  const key = quota.per_client ? name : '';
  switch (what) {
    case 'limit':
      world.setLimit(quota.id, amount);
      break;
    case 'override':
    case 'revoke':
      world.override(quota.id, amount % 2 === 0 ? key : '', what === 'revoke' ? undefined : amount);
      break;
    case 'grant':
      if (quota.window !== null) world.grant(quota, key, amount);
      break;
    case 'reset':
      world.reset(quota);
  }
  for (const [n, each] of world.gateways.entries()) if (n !== deaf) each.hear();
}

/** The whole of a step, but for what it takes to ask. */
async function act(world: World, step: Exclude<Step, { kind: 'ask' | 'change' }>): Promise<void> {
  const one = 'gateway' in step ? world.gateways[step.gateway] : undefined;
  switch (step.kind) {
    case 'wait':
      world.nowMs += step.ms;
      return;
    case 'edge':
      // Days and months are reached, not gone past by chance.
      world.nowMs = Math.max(world.nowMs, world.windowEndMs(step.window) - step.beforeMs);
      return;
    case 'step':
      world.stepMs += step.ms;
      return;
    case 'away':
      world.isAway = step.isAway;
      return;
    case 'stop':
      return one?.stop(step.ms);
    case 'finish':
      return one?.finish(3, step.usedShare, step.count);
    case 'leave':
      return one?.leave();
    case 'tick':
      return one?.tick();
    case 'hear':
      return one?.hear();
    case 'kill':
      // Nobody hears of what it held until the ledger ends its lease.
      if (one) world.gateways[step.gateway] = new Gateway(world, step.gateway);
  }
}

export async function live(world: World, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if (step.kind === 'ask') {
      const { requests, most, delayMs, fate, client: name } = step;
      const costs = { ...oneRequest, rows: most, bytes: most, compute_ms: most };
      await world.gateways[step.gateway]?.ask({ requests, costs, delayMs, fate, client: name });
    } else if (step.kind === 'change') applyChange(world, step);
    else await act(world, step);
    world.ledger.sweep();
  }
}
