/**
 * A process that spends quotas as a gateway does, as fast as its pace allows, and writes down each admission before it goes on. It
 * leaves in good order when its input ends.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { createClient } from '#client/client';
import { Quota } from '#contracts/quotas';
import { createLogger } from '#platform/logger';
import { QuotaBook } from '#quota/book';
import { oneRequest } from '#quota/costs';
import { LeaseDesk, isDenial, settleAll } from '#quota/lease-desk';
import { LeaseLink } from '../../apps/gateway/src/control/lease-link.js';

const Wishes = z.object({
  registryUrl: z.url(),
  credential: z.string(),
  logFile: z.string(),
  quotas: z.array(Quota),
  callers: z.array(z.string()),
  everyMs: z.number(),
});

const wishes = Wishes.parse(JSON.parse(process.argv[2] ?? ''));
const client = createClient({ baseUrl: wishes.registryUrl, token: () => wishes.credential });
const book = new QuotaBook();
book.replace(wishes.quotas);
const desk = new LeaseDesk(book);
const link = new LeaseLink(desk, {
  call: (body, signal) => client.quotas.lease({ body, signal }),
  holdMs: 1_000,
  logger: createLogger('gateway', 'silent'),
});
link.start();

let isOver = false;
process.stdin.on('end', () => (isOver = true)).resume();

async function spend(caller: string): Promise<void> {
  while (!isOver) {
    const cells = book.cellsFor('iris', caller, undefined);
    const verdict = desk.admit(cells, oneRequest, performance.now());
    const admission = verdict instanceof Promise ? await verdict : verdict;
    if (!isDenial(admission)) {
      appendFileSync(wishes.logFile, `${Date.now()} ${caller}\n`);
      settleAll(admission, oneRequest, oneRequest, performance.now());
    }
    await sleep(wishes.everyMs);
  }
}

await Promise.all(wishes.callers.map(spend));
await link.close();
process.exit(0);
