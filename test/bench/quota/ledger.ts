/** What the ledger does: a real registry in this process over a real PostgreSQL, called over HTTP. */
import type { SluiceClient } from '#client/client';
import type { LeaseItem, Quota } from '#contracts/quotas';
import { createLogger } from '#platform/logger';
import { QuotaBook } from '#quota/book';
import { oneRequest } from '#quota/costs';
import { LeaseDesk, isDenial, settleAll } from '#quota/lease-desk';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { LeaseLink } from '../../../apps/gateway/src/control/lease-link.js';
import { quantile } from '../quantiles.js';
import { table } from '../report.js';
import { redisPeer } from './redis-peer.js';

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

/** One gateway that admits on one hot limit as fast as it can, its leases from the real ledger. */
async function hotAdmission(
  stage: LedgerStage,
  forMs: number,
): Promise<{ perSecond: number; callsPer100: number }> {
  const book = new QuotaBook();
  book.replace([await makeQuota(stage, 'hottest', false)]);
  const desk = new LeaseDesk(book);
  const link = new LeaseLink(desk, {
    call: (body, signal) => stage.gateway.quotas.lease({ body, signal }),
    holdMs: 0,
    logger: createLogger('gateway', 'silent'),
  });
  link.start();
  const endMs = performance.now() + forMs;
  let admitted = 0;
  while (performance.now() < endMs) {
    for (let n = 0; n < 100; n += 1) {
      const cells = book.cellsFor('iris', 'shop', undefined);
      const verdict = desk.admit(cells, oneRequest, performance.now());
      const admission = verdict instanceof Promise ? await verdict : verdict;
      if (isDenial(admission)) continue;
      settleAll(admission, oneRequest, oneRequest, performance.now());
      admitted += 1;
    }
    // Answers come in between.
    await nextTurn();
  }
  await link.close();
  return { perSecond: (admitted * 1_000) / forMs, callsPer100: (desk.answered * 100) / admitted };
}

const ms = (value: number): string => value.toFixed(2);
const whole = (value: number): string => value.toFixed(0);

/** Cold and hot admissions beside the peer's, and the throughput of lease calls. */
export async function ledgerPart(stage: LedgerStage, forMs: number): Promise<string> {
  const hot = await makeQuota(stage, 'hot', false);
  const many = await makeQuota(stage, 'many', true);
  const cold = await coldMs(stage, 300);
  const hottest = await hotAdmission(stage, forMs);
  const peer = await redisPeer(forMs);
  const rows: string[][] = [];
  for (const gateways of [1, 8]) {
    const onHot = await callsPerSecond(stage, gateways, forMs, () => [itemOf(hot, '')]);
    rows.push([`one hot limit, ${gateways} at once`, whole(onHot), whole(onHot)]);
    const onMany = await callsPerSecond(stage, gateways, forMs, (nth) =>
      Array.from({ length: 100 }, (_, n) => itemOf(many, `client-${(nth * 100 + n) % 10_000}`)),
    );
    rows.push([`10,000 limits, 100 in a call, ${gateways} at once`, whole(onMany), whole(onMany * 100)]);
  }
  const beside = [
    [
      'Sluice: one gateway on one hot limit, leases from the ledger',
      whole(hottest.perSecond),
      hottest.callsPer100.toFixed(4),
      `${ms(quantile(cold, 0.5))} / ${ms(quantile(cold, 0.99))}`,
    ],
    ...(peer
      ? [
          [
            'rate-limiter-flexible on Redis, one key, 64 at once',
            whole(peer.oneKeyPerSecond),
            '100',
            `${ms(quantile(peer.sortedMs, 0.5))} / ${ms(quantile(peer.sortedMs, 0.99))}`,
          ],
          [
            'rate-limiter-flexible on Redis, 10,000 keys, 64 at once',
            whole(peer.manyKeysPerSecond),
            '100',
            '',
          ],
        ]
      : [['rate-limiter-flexible on Redis: no redis-server on this machine', '', '', '']]),
  ];
  return [
    `Admission beside a limiter that asks its store each time; cold is the first request of a client that was never seen, one at a time:\n\n${table(
      ['what', 'admissions/s', 'calls to the store per 100 requests', 'cold, median / p99 ms'],
      beside,
    )}`,
    `The ledger (a block of 100 requests and more is one limit in one call, so a hot limit admits at least 100 times its calls):\n\n${table(
      ['lease calls', 'calls/s', 'limits/s'],
      rows,
    )}`,
  ].join('\n\n');
}
