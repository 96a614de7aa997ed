import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { UsageBatch, UsageRow } from '#contracts/usage';
import { addUsage, noUsage, sumUsage } from '#contracts/usage-totals';
import { SavedSpool, UsageSpool, emptySpool, maxBatchRows, maxWaitingRows } from './usage-spool.js';

const empty = emptySpool('019e0000-0000-7000-8000-000000000001');
const row = (endpoint: string, requests: number): UsageRow => ({
  hour: '2026-11-24T10:00:00.000Z',
  team: 'default',
  client_id: 'shop',
  endpoint,
  version: 1,
  outcome: 'OK',
  requests,
  rows: 2 * requests,
  request_bytes: 10 * requests,
  response_bytes: 20 * requests,
  compute_us: 5 * requests,
});

/** The registry's rule: a batch counts when its sequence is new. */
class Taker {
  last = 0;
  readonly taken = noUsage();
  take({ sequence, rows, balance }: UsageBatch): void {
    if (sequence <= this.last) return;
    this.last = sequence;
    addUsage(this.taken, sumUsage(rows));
    if (balance) expect(sumUsage([this.taken, balance.waiting, balance.lost])).toEqual(balance.served);
  }
}

const put = (spool: UsageSpool, rows: readonly UsageRow[]): void => spool.put(rows, sumUsage(rows));

describe('the spool', () => {
  it('brings every request over exactly once, whatever is lost, repeated or restarted', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('used' as const),
        endpoint: fc.constantFrom('a', 'b', 'c'),
        count: fc.nat(9),
      }),
      fc.record({ kind: fc.constantFrom('answered', 'unanswered', 'never sent', 'killed after the save') }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const taker = new Taker();
        let spool = new UsageSpool(empty);
        let used = 0;
        for (const one of steps) {
          if ('count' in one) {
            used += one.count;
            put(spool, [row(one.endpoint, one.count)]);
            continue;
          }
          const batch = spool.batch();
          const saved = SavedSpool.parse(JSON.parse(JSON.stringify(spool.save())));
          if (batch && one.kind !== 'never sent') taker.take(batch);
          if (batch && one.kind === 'answered') spool.taken();
          if (one.kind === 'killed after the save') spool = new UsageSpool(saved);
        }
        for (let batch = spool.batch(); batch; batch = spool.batch()) {
          taker.take(batch);
          spool.taken();
        }
        return taker.taken.requests === used && taker.taken.rows === 2 * used;
      }),
    );
  });

  it('sends in batches of bounded size, and drops what finds no room', () => {
    const spool = new UsageSpool(empty);
    put(
      spool,
      Array.from({ length: maxWaitingRows + 1 }, (_, index) => row(`e${index}`, 2)),
    );
    put(spool, [row('e0', 1)]);
    expect(spool.lost.requests).toBe(2);
    const batch = spool.batch();
    expect(batch?.rows).toHaveLength(maxBatchRows);
    expect(batch?.rows[0]?.requests).toBe(3);
    put(spool, [row('e0', 1)]);
    expect(spool.batch()?.rows).toEqual(batch?.rows);
  });
});
