/** All counts that one gateway spends from, and which of them apply to a client and an endpoint. They outlive snapshots. */
import type { SnapshotQuota } from '#contracts/snapshot';
import { Cell, newTally } from './cell.js';
import type { Tally, Term } from './cell.js';

interface Meter {
  quota: SnapshotQuota;
  /** One for each client, or one for all. */
  readonly cells: Map<string, Cell>;
  readonly tally: Tally;
}

interface Remembered {
  readonly team: string | undefined;
  readonly cells: readonly Cell[];
}

/** Remembered answers of {@link QuotaBook.cellsFor}, all endpoints together. */
const maxRemembered = 20_000;
/** A count that was not used for so long, and of which nothing is held, is forgotten. */
const forgetAfterMs = 3_600_000;
const none: readonly Cell[] = [];
/** Of a client, in the ledger. */
const maxKeyLength = 255;

const newMeter = (quota: SnapshotQuota): Meter => ({
  quota,
  cells: new Map(),
  tally: newTally(),
});

const applies = ({ quota }: Meter, endpoint: string, client: string, team: string | undefined): boolean =>
  (quota.endpoint === null || quota.endpoint === endpoint) &&
  (quota.client_id === null || quota.client_id === client) &&
  (quota.team === null || quota.team === team);

export class QuotaBook {
  /** Of everything that is held. */
  readonly term: Term = { untilMs: -Infinity };
  private meters = new Map<string, Meter>();
  private remembered = new Map<string, Map<string, Remembered>>();
  private rememberedCount = 0;

  /** Takes over the quotas of a new snapshot. @returns cells whose quota changed */
  replace(quotas: readonly SnapshotQuota[]): Cell[] {
    const changed: Cell[] = [];
    const next = new Map<string, Meter>();
    for (const quota of quotas) {
      const meter: Meter = this.meters.get(quota.id) ?? newMeter(quota);
      const isChanged = meter.quota.revision !== quota.revision || meter.quota.limit !== quota.limit;
      meter.quota = quota;
      for (const cell of meter.cells.values()) {
        cell.quota = quota;
        if (isChanged) changed.push(cell);
      }
      next.set(quota.id, meter);
    }
    this.meters = next;
    this.forget();
    return changed;
  }

  /** Every count that must admit a request of `client` to `endpoint`. */
  cellsFor(endpoint: string, client: string, team: string | undefined): readonly Cell[] {
    if (this.meters.size === 0) return none;
    const known = this.remembered.get(endpoint)?.get(client);
    if (known?.team === team && known) return known.cells;
    const found = [...this.meters.values()].filter((meter) => applies(meter, endpoint, client, team));
    const cells = found.map((meter) => cellOf(meter, client, this.term));
    this.remember(endpoint, client, { team, cells });
    return cells;
  }

  cell(quotaId: string, key: string): Cell | undefined {
    return this.meters.get(quotaId)?.cells.get(key);
  }

  *cells(): Generator<Cell> {
    for (const { cells } of this.meters.values()) yield* cells.values();
  }

  /** Each quota, with its counts and what it has refused. */
  *tallies(): Generator<{
    readonly quota: SnapshotQuota;
    readonly tally: Tally;
    readonly cells: Iterable<Cell>;
  }> {
    for (const { quota, tally, cells } of this.meters.values()) yield { quota, tally, cells: cells.values() };
  }

  /** A quota that the ledger does not know any more limits nothing. */
  drop(quotaId: string): void {
    if (this.meters.delete(quotaId)) this.forget();
  }

  /** Forgets what was not used for long. */
  sweep(nowMs: number): void {
    let swept = 0;
    for (const { cells } of this.meters.values())
      for (const [key, cell] of cells) {
        if (cell.held > 0 || cell.ahead > 0 || cell.queued || nowMs - cell.lastTakenMs < forgetAfterMs)
          continue;
        cells.delete(key);
        swept += 1;
      }
    if (swept > 0) this.forget();
  }

  private remember(endpoint: string, client: string, answer: Remembered): void {
    if (this.rememberedCount >= maxRemembered) this.forget();
    const clients = this.remembered.get(endpoint) ?? new Map<string, Remembered>();
    this.remembered.set(endpoint, clients);
    clients.set(client, answer);
    this.rememberedCount += 1;
  }

  private forget(): void {
    this.remembered = new Map();
    this.rememberedCount = 0;
  }
}

/** Longer names than the ledger takes share a count; what a database cannot store is left out. */
const keyOf = (client: string): string =>
  client
    .replaceAll(/[\0\ud800-\udfff]/gu, '')
    .slice(0, maxKeyLength)
    .replace(/[\ud800-\udbff]$/, '');

function cellOf({ quota, cells, tally }: Meter, client: string, term: Term): Cell {
  const key = quota.client_id === null && quota.per_client ? keyOf(client) : '';
  let cell = cells.get(key);
  if (!cell) cells.set(key, (cell = new Cell(quota, key, tally, term)));
  return cell;
}
