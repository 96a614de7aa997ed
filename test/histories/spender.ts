/**
 * A process that spends quotas as a gateway does, as fast as its pace allows, and writes down each admission before it goes on. It
 * lives in several histories at a time, each with quotas of its own, and by a wall clock that may be wrong. It leaves in good order
 * when its input ends.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { createClient } from '#client/client';
import { Quota } from '#contracts/quotas';
import { createLogger } from '#platform/logger';
import { QuotaBook } from '#quota/book';
import type { Cell } from '#quota/cell';
import { oneRequest } from '#quota/costs';
import { LeaseDesk, isDenial, settleAll } from '#quota/lease-desk';
import { LeaseLink } from '../../apps/gateway/src/control/lease-link.js';

const Wishes = z.object({
  registryUrl: z.url(),
  credential: z.string(),
  logFile: z.string(),
  histories: z.array(z.object({ id: z.number(), quotas: z.array(Quota) })),
  callers: z.array(z.string()),
  everyMs: z.number(),
  /** How far the wall clock is off. */
  skewMs: z.number(),
});

const wishes = Wishes.parse(JSON.parse(process.argv[2] ?? ''));
const trueNow = Date.now;
Date.now = () => trueNow() + wishes.skewMs;
const client = createClient({ baseUrl: wishes.registryUrl, token: () => wishes.credential });
const book = new QuotaBook();
book.replace(wishes.histories.flatMap(({ quotas }) => quotas));
const desk = new LeaseDesk(book);
const link = new LeaseLink(desk, {
  call: (body, signal) => client.quotas.lease({ body, signal }),
  holdMs: 1_000,
  logger: createLogger('gateway', 'silent'),
});
link.start();

let isOver = false;
process.stdin.on('end', () => (isOver = true)).resume();

/** What each request reserves; it uses less. */
const reserved = { ...oneRequest, rows: 4 };

async function spend(id: number, quotas: readonly Quota[], caller: string): Promise<void> {
  const isOurs = ({ quota }: Cell): boolean => quotas.some((own) => own.id === quota.id);
  for (let n = 0; !isOver; n += 1) {
    const cells = book.cellsFor('iris', caller, undefined).filter(isOurs);
    const verdict = desk.admit(cells, reserved, performance.now());
    const admission = verdict instanceof Promise ? await verdict : verdict;
    if (!isDenial(admission)) {
      const used = { ...reserved, rows: n % (reserved.rows + 1) };
      const takenMs = performance.now();
      appendFileSync(wishes.logFile, `${id} ${trueNow()} ${caller} ${used.rows}\n`);
      settleAll(admission, reserved, used, takenMs);
    }
    await sleep(wishes.everyMs);
  }
}

await Promise.all(
  wishes.histories.flatMap(({ id, quotas }) => wishes.callers.map((caller) => spend(id, quotas, caller))),
);
await link.close();
process.exit(0);
