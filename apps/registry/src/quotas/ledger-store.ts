/** The ledger's rows. One statement per set of rows, however many there are. */
import type { LeaseAnswer } from '#contracts/quotas';
import type { LedgerRow, LedgerRule } from '#quota/ledger';
import type { EntityManager } from 'typeorm';

/** Which count: a quota's, or that of one client under it. */
export interface CountKey {
  readonly quota_id: string;
  readonly key: string;
}

export interface Count extends CountKey, LedgerRow {}

export interface Lease extends CountKey {
  readonly amount: number;
  readonly expiresAtMs: number;
}

export interface TimedRule extends LedgerRule {
  readonly nowMs: number;
}

interface Holder {
  readonly gateway: string;
  readonly sequence: number;
  readonly answer: LeaseAnswer | null;
}

export const nameOf = ({ quota_id, key }: CountKey): string => `${quota_id} ${key}`;

/** Columns for `unnest`, in the order in which everybody locks. */
function keysOf(items: readonly CountKey[]): [string[], string[]] {
  const names = new Map(items.map((item) => [nameOf(item), item]));
  const sorted = [...names].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
  return [sorted.map(({ quota_id }) => quota_id), sorted.map(({ key }) => key)];
}

/** Locks the holder's row, which is made at its first call. */
export async function enterHolder(manager: EntityManager, holder: string, gateway: string): Promise<Holder> {
  const rows = await manager.query<Holder[]>(
    `INSERT INTO quota_holders (holder, gateway, last_sequence, seen_at) VALUES ($1, $2, 0, now())
     ON CONFLICT (holder) DO UPDATE SET seen_at = now()
     RETURNING gateway, last_sequence::float8 AS sequence, last_answer AS answer`,
    [holder, gateway],
  );
  const [row] = rows;
  if (!row) throw new Error('entering a holder returned no row');
  return row;
}

/** How many gateway processes have called lately. */
export async function countHolders(manager: EntityManager, withinMs: number): Promise<number> {
  const rows = await manager.query<{ count: number }[]>(
    `SELECT count(*)::int AS count FROM quota_holders WHERE seen_at > now() - $1 * interval '1 millisecond'`,
    [withinMs],
  );
  return Math.max(1, rows[0]?.count ?? 1);
}

export async function saveAnswer(
  manager: EntityManager,
  holder: string,
  sequence: number,
  answer: LeaseAnswer,
): Promise<void> {
  await manager.query('UPDATE quota_holders SET last_sequence = $2, last_answer = $3 WHERE holder = $1', [
    holder,
    sequence,
    JSON.stringify(answer),
  ]);
}

/** The rules of quotas that there are, which stay until the end of the transaction. */
export async function readRules(
  manager: EntityManager,
  quotaIds: readonly string[],
): Promise<Map<string, TimedRule>> {
  const rows = await manager.query<(TimedRule & { id: string })[]>(
    `SELECT q.id, q.unit, q."window", q."limit"::float8 AS "limit", q.refill_per_second AS "refillPerSecond",
       COALESCE(t.time_zone, 'UTC') AS "timeZone", extract(epoch FROM clock_timestamp())::float8 * 1000 AS "nowMs"
     FROM quotas q LEFT JOIN clients c ON c.client_id = q.client_id LEFT JOIN teams t ON t.name = COALESCE(q.team, c.team)
     WHERE q.id = ANY($1::uuid[]) ORDER BY q.id FOR KEY SHARE OF q`,
    [quotaIds],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** Locks the counts until the end of the transaction; a new one is empty. */
export async function lockCounts(
  manager: EntityManager,
  items: readonly CountKey[],
): Promise<Map<string, LedgerRow>> {
  const keys = keysOf(items);
  await manager.query(
    `INSERT INTO quota_windows (quota_id, key, window_start, used, leased)
     SELECT id, key, 0, 0, 0 FROM unnest($1::uuid[], $2::text[]) AS k(id, key) ON CONFLICT DO NOTHING`,
    keys,
  );
  return selectCounts(manager, keys, 'FOR UPDATE OF w');
}

/** The counts as they are; those that were never used are missing. */
export const readCounts = (
  manager: EntityManager,
  items: readonly CountKey[],
): Promise<Map<string, LedgerRow>> => selectCounts(manager, keysOf(items), '');

async function selectCounts(
  manager: EntityManager,
  keys: [string[], string[]],
  lock: '' | 'FOR UPDATE OF w',
): Promise<Map<string, LedgerRow>> {
  const rows = await manager.query<Count[]>(
    `SELECT w.quota_id, w.key, w.window_start AS "windowStartMs", w.used::float8, w.leased::float8
     FROM quota_windows w JOIN unnest($1::uuid[], $2::text[]) AS k(id, key) ON w.quota_id = k.id AND w.key = k.key
     ORDER BY w.quota_id, w.key COLLATE "C" ${lock}`,
    keys,
  );
  return new Map(
    rows.map(({ windowStartMs, used, leased, ...key }) => [nameOf(key), { windowStartMs, used, leased }]),
  );
}

/** What the holder has of the counts. */
export async function readLeases(
  manager: EntityManager,
  holder: string,
  items: readonly CountKey[],
): Promise<Map<string, number>> {
  const rows = await manager.query<(CountKey & { amount: number })[]>(
    `SELECT l.quota_id, l.key, l.amount::float8 FROM quota_leases l
     JOIN unnest($2::uuid[], $3::text[]) AS k(id, key) ON l.quota_id = k.id AND l.key = k.key WHERE l.holder = $1`,
    [holder, ...keysOf(items)],
  );
  return new Map(rows.map((row) => [nameOf(row), row.amount]));
}

export async function writeCounts(manager: EntityManager, counts: readonly Count[]): Promise<void> {
  await manager.query(
    `UPDATE quota_windows w SET window_start = n.start, used = n.used, leased = n.leased
     FROM unnest($1::uuid[], $2::text[], $3::float8[], $4::bigint[], $5::bigint[]) AS n(id, key, start, used, leased)
     WHERE w.quota_id = n.id AND w.key = n.key`,
    [
      counts.map(({ quota_id }) => quota_id),
      counts.map(({ key }) => key),
      counts.map(({ windowStartMs }) => windowStartMs),
      counts.map(({ used }) => used),
      counts.map(({ leased }) => leased),
    ],
  );
}

/** @param holder null: of all holders */
export async function deleteLeases(
  manager: EntityManager,
  items: readonly CountKey[],
  holder: string | null,
): Promise<void> {
  await manager.query(
    `DELETE FROM quota_leases l USING unnest($1::uuid[], $2::text[]) AS k(id, key)
     WHERE l.quota_id = k.id AND l.key = k.key AND ($3::uuid IS NULL OR l.holder = $3)`,
    [...keysOf(items), holder],
  );
}

export async function writeLeases(
  manager: EntityManager,
  holder: string,
  leases: readonly Lease[],
): Promise<void> {
  const kept = [...new Map(leases.map((lease) => [nameOf(lease), lease])).values()];
  const empty = kept.filter(({ amount }) => amount === 0);
  const full = kept.filter(({ amount }) => amount > 0);
  if (empty.length > 0) await deleteLeases(manager, empty, holder);
  if (full.length === 0) return;
  await manager.query(
    `INSERT INTO quota_leases (quota_id, key, holder, amount, expires_at)
     SELECT id, key, $1, amount, to_timestamp(expires / 1000)
     FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::float8[]) AS n(id, key, amount, expires)
     ON CONFLICT (quota_id, key, holder) DO UPDATE SET amount = excluded.amount, expires_at = excluded.expires_at`,
    [
      holder,
      full.map(({ quota_id }) => quota_id),
      full.map(({ key }) => key),
      full.map(({ amount }) => amount),
      full.map(({ expiresAtMs }) => expiresAtMs),
    ],
  );
}
