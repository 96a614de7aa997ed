import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SnapshotQuota } from '#contracts/snapshot';
import { QuotaBook } from './book.js';
import { oneRequest } from './costs.js';
import { LeaseDesk, isDenial } from './lease-desk.js';
import { MemoryLedger } from './memory-ledger.case.js';

const whose = [{}, { team: 'red' }, { client_id: 'ann' }] as const;
const what = [{ endpoint: null }, { endpoint: 'iris' }] as const;
/** Of the platform, a team and a client; each for all endpoints and for one. */
const places = whose.flatMap((of) => what.map((on) => ({ team: null, client_id: null, ...of, ...on })));
const quotaAt = (n: number, limit: number): SnapshotQuota =>
  SnapshotQuota.parse({
    id: `0198f000-0000-7000-8000-00000000000${n}`,
    name: `q${n}`,
    window: 'day',
    per_client: false,
    limit,
    ...places[n],
  });

const caller = fc.record({
  endpoint: fc.constantFrom('iris', 'wine'),
  client: fc.constantFrom('ann', 'bob'),
  team: fc.constantFrom('red', 'blue', undefined),
});
const applyTo = ({
  endpoint,
  client,
  team,
}: {
  endpoint: string;
  client: string;
  team: string | undefined;
}) =>
  places.flatMap((place, n) =>
    (place.endpoint ?? endpoint) === endpoint &&
    (place.client_id ?? client) === client &&
    (place.team === null || place.team === team)
      ? [n]
      : [],
  );

describe('quotas of the platform, a team and a client, for all endpoints and for one', () => {
  it('apply to those whom they name', () => {
    const book = new QuotaBook();
    book.replace(places.map((_, n) => quotaAt(n, 5)));
    fc.assert(
      fc.property(caller, (asked) => {
        const cells = book.cellsFor(asked.endpoint, asked.client, asked.team);
        expect(cells.map(({ quota }) => quota.name)).toEqual(applyTo(asked).map((n) => `q${n}`));
      }),
    );
  });

  it('admit together or not at all: the tightest decides, and a refusal is charged to none', async () => {
    const limits = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 6, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(limits, fc.array(caller, { maxLength: 40 }), async (sizes, callers) => {
        const quotas = sizes.map((limit, n) => quotaAt(n, limit));
        const book = new QuotaBook();
        book.replace(quotas);
        const desk = new LeaseDesk(book);
        const rule = {
          unit: 'requests',
          window: 'day',
          refillPerSecond: null,
          timeZone: 'UTC',
          alertAt: [],
        } as const;
        const ledger = new MemoryLedger(
          (id) => ({ ...rule, limit: quotas.find((quota) => quota.id === id)?.limit ?? 0 }),
          () => Date.UTC(2026, 0, 1, 12),
        );
        let sequence = 0;
        const left = [...sizes];
        for (const asked of callers) {
          const verdict = desk.admit(book.cellsFor(asked.endpoint, asked.client, asked.team), oneRequest, 0);
          while (desk.hasDemand) {
            const items = desk.collect(0);
            const answer = ledger.call({ holder: 'only', sequence: (sequence += 1), hold_ms: 0, items });
            if (answer) desk.apply(items, answer, 0, 0);
            await Promise.resolve();
          }
          const applying = applyTo(asked);
          const isAdmitted = applying.every((n) => (left[n] ?? 0) > 0);
          expect(isDenial(await verdict)).toBe(!isAdmitted);
          if (isAdmitted) for (const n of applying) left[n] = (left[n] ?? 0) - 1;
        }
      }),
    );
  });
});
