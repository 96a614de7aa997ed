/** What admission costs out of leases that are held. */
import { SnapshotQuota } from '#contracts/snapshot';
import { QuotaBook } from '#quota/book';
import { oneRequest } from '#quota/costs';
import { LeaseDesk, isDenial, settleAll } from '#quota/lease-desk';
import type { LedgerRule } from '#quota/ledger';
import { MemoryLedger } from '#quota/memory-ledger.case';
import { v7 as uuidv7 } from 'uuid';
import { table } from '../report.js';

const admissions = 2_000_000;
const clients = 1_000;

function deskFor(count: number): { book: QuotaBook; desk: LeaseDesk; ledger: MemoryLedger } {
  const limit = 1_000_000_000_000;
  const quotas = Array.from({ length: count }, (_, n) =>
    SnapshotQuota.parse({
      id: uuidv7(),
      name: `q${n}`,
      client_id: null,
      endpoint: null,
      window: 'day',
      limit,
      per_client: n % 2 === 0,
    }),
  );
  const rule: LedgerRule = {
    unit: 'requests',
    window: 'day',
    limit,
    refillPerSecond: null,
    timeZone: 'UTC',
    alertAt: [],
  };
  const book = new QuotaBook();
  book.replace(quotas);
  return { book, desk: new LeaseDesk(book), ledger: new MemoryLedger(() => rule, Date.now) };
}

interface Cost {
  readonly ns: number;
  readonly calls: number;
}

function warmCost(count: number): Cost {
  const { book, desk, ledger } = deskFor(count);
  const holder = uuidv7();
  let sequence = 0;
  const sync = (): void => {
    const nowMs = performance.now();
    const items = desk.collect(nowMs);
    const answer = ledger.call({ holder, sequence: (sequence += 1), hold_ms: 0, items });
    if (answer) desk.apply(items, answer, nowMs, nowMs);
  };
  const names = Array.from({ length: clients }, (_, n) => `client-${n}`);
  let spentMs = 0;
  let admitted = 0;
  const slice = 10_000;
  for (let done = 0; done < admissions; done += slice) {
    desk.tick(performance.now());
    while (desk.hasDemand) sync();
    const startMs = performance.now();
    for (let i = 0; i < slice; i += 1) {
      const cells = book.cellsFor('iris', names[(done + i) % 10] ?? '', undefined);
      const nowMs = performance.now();
      const verdict = desk.admit(cells, oneRequest, nowMs);
      if (verdict instanceof Promise) sync();
      else if (!isDenial(verdict)) {
        admitted += 1;
        settleAll(verdict, oneRequest, oneRequest, nowMs);
      }
    }
    spentMs += performance.now() - startMs;
  }
  return { ns: (spentMs * 1e6) / admissions, calls: ledger.calls / (admitted / 100) };
}

/** A table of the cost of warm admissions, look-up and settlement included. */
export function admissionPart(): string {
  warmCost(1);
  const rows = [1, 3, 6].map((count) => {
    const { ns, calls } = warmCost(count);
    return [String(count), ns.toFixed(0), calls.toFixed(3)];
  });
  return `Warm admission, with the look-up of the counts and the settlement (target: ≤ 2,000 ns):\n\n${table(
    ['quotas that apply', 'ns per request', 'lease calls per 100 requests'],
    rows,
  )}`;
}
