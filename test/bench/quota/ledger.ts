/** What the ledger does: a real registry in this process over a real PostgreSQL, called over HTTP. */
import type { SluiceClient } from '#client/client';
import type { LeaseItem, Quota } from '#contracts/quotas';
import { createLogger } from '#platform/logger';
import { QuotaBook } from '#quota/book';
import { oneRequest } from '#quota/cell';
import { LeaseDesk } from '#quota/lease-desk';
import { v7 as uuidv7 } from 'uuid';
import { LeaseLink } from '../../../apps/gateway/src/control/lease-link.js';
import { table } from '../report.js';

export interface LedgerStage {
  readonly url: string;
  readonly admin: SluiceClient;
  readonly gateway: SluiceClient;
}

const makeQuota = (stage: LedgerStage, name: string, perClient: boolean): Promise<Quota> =>
  stage.admin.quotas.create({
    body: { name, window: 'day', limit: 9_000_000_000_000_000, per_client: perClient },
  });

const itemOf = (quota: Quota, key: string): LeaseItem => ({
  quota_id: quota.id,
  key,
  window_start: 0,
  held: 0,
  spent: 0,
  released: 0,
  need: 1,
  want: 100,
  ahead: 0,
});

/** Calls from so many gateways at once, one after the other each. @returns calls per second */
async function callsPerSecond(
  stage: LedgerStage,
  gateways: number,
  forMs: number,
  itemsOf: (nth: number) => LeaseItem[],
): Promise<number> {
  const endMs = performance.now() + forMs;
  let calls = 0;
  await Promise.all(
    Array.from({ length: gateways }, async () => {
      const holder = uuidv7();
      for (let sequence = 1; performance.now() < endMs; sequence += 1) {
        const body = { holder, sequence, hold_ms: 0, items: itemsOf(calls) };
        await stage.gateway.quotas.lease({ body });
        calls += 1;
      }
    }),
  );
  return calls / (forMs / 1_000);
}

async function coldMs(stage: LedgerStage, samples: number): Promise<number[]> {
  const book = new QuotaBook();
  book.replace([await makeQuota(stage, 'cold', true)]);
  const desk = new LeaseDesk(book);
  const link = new LeaseLink(desk, {
    call: (body, signal) => stage.gateway.quotas.lease({ body, signal }),
    holdMs: 0,
    logger: createLogger('gateway', 'silent'),
  });
  link.start();
  const taken: number[] = [];
  for (let n = 0; n < samples; n += 1) {
    const startMs = performance.now();
    await desk.admit(book.cellsFor('iris', `client-${n}`, undefined), oneRequest, startMs);
    taken.push(performance.now() - startMs);
  }
  await link.close();
  return taken.sort((a, b) => a - b);
}

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/** Cold admissions, and the throughput of lease calls. */
export async function ledgerPart(stage: LedgerStage, forMs: number): Promise<string> {
  const hot = await makeQuota(stage, 'hot', false);
  const many = await makeQuota(stage, 'many', true);
  const cold = await coldMs(stage, 300);
  const rows: string[][] = [];
  for (const gateways of [1, 8]) {
    const onHot = await callsPerSecond(stage, gateways, forMs, () => [itemOf(hot, '')]);
    rows.push([`one hot limit, ${gateways} at once`, onHot.toFixed(0), onHot.toFixed(0)]);
    const onMany = await callsPerSecond(stage, gateways, forMs, (nth) =>
      Array.from({ length: 100 }, (_, n) => itemOf(many, `client-${(nth * 100 + n) % 10_000}`)),
    );
    rows.push([
      `10,000 limits, 100 in a call, ${gateways} at once`,
      onMany.toFixed(0),
      (onMany * 100).toFixed(0),
    ]);
  }
  return [
    `Cold admission, one at a time, each of a client that was never seen: median ${quantile(cold, 0.5).toFixed(1)} ms, 99th percentile ${quantile(cold, 0.99).toFixed(1)} ms.`,
    `The ledger (a block of 100 requests and more is one limit in one call, so a hot limit admits at least 100 times its calls):\n\n${table(
      ['lease calls', 'calls/s', 'limits/s'],
      rows,
    )}`,
  ].join('\n\n');
}
