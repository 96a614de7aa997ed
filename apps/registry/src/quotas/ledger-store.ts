/** The ledger's rows. One statement per set of rows, however many there are; sets travel as one JSON array. */
import type { LeaseCall } from '#contracts/quotas';
import type { LedgerRow, LedgerRule } from '#quota/ledger';
import type { EntityManager } from 'typeorm';

/** Which count: a quota's, or that of one client under it. */
export interface CountKey {
  readonly quota_id: string;
  readonly key: string;
}

export interface Count extends CountKey, LedgerRow {}

/** What a quota says now, and by the clock of the database. */
export interface TimedRule extends LedgerRule {
  readonly name: string;
  readonly nowMs: number;
  /** By client; those of all counts under the empty name. */
  readonly overrides: Readonly<Record<string, { readonly limit: number; readonly until: string }>> | null;
}

export const nameOf = ({ quota_id, key }: CountKey): string => `${quota_id} ${key}`;

/** The rule of one count: an override for its client goes before one for all. */
export function ruleOf(rule: TimedRule, key: string): LedgerRule {
  const override = rule.overrides?.[key] ?? rule.overrides?.[''];
  return override ? { ...rule, limit: override.limit } : rule;
}

/** The keys once each. */
function keysOf(items: readonly CountKey[]): string {
  const names = new Map(items.map(({ quota_id, key }) => [nameOf({ quota_id, key }), { quota_id, key }]));
  return JSON.stringify([...names.values()]);
}

const keyColumns = 'AS k(quota_id uuid, key text)';

/**
 * Locks the holders' rows, which are made at their first call, and renews their leases.
 * @returns the last sequence of each; those that are missing have ended, are another gateway's, or never began
 */
export async function enterHolders(
  manager: EntityManager,
  calls: readonly { readonly call: LeaseCall; readonly gateway: string }[],
  leaseMs: number,
): Promise<{ readonly last: Map<string, number>; readonly gateways: number }> {
  const given = calls.map(({ call: { holder, sequence, hold_ms }, gateway }) => ({
    holder,
    gateway,
    hold_ms,
    is_first: sequence === 1,
  }));
  const rows = await manager.query<{ holder: string; last: number; others: number }[]>(
    `WITH given AS (SELECT * FROM json_to_recordset($1) AS g(holder uuid, gateway text, hold_ms int, is_first boolean))
     INSERT INTO quota_holders AS h (holder, gateway, last_sequence, expires_at, hold_ms)
     SELECT holder, gateway, 0, clock_timestamp() + $2 * interval '1 millisecond', hold_ms FROM given
     WHERE is_first OR EXISTS (SELECT 1 FROM quota_holders known WHERE known.holder = given.holder) ORDER BY holder
     ON CONFLICT (holder) DO UPDATE SET expires_at = excluded.expires_at, hold_ms = excluded.hold_ms
     WHERE NOT h.ended AND h.gateway = excluded.gateway
     RETURNING holder, last_sequence::float8 AS last,
       (SELECT count(*)::int FROM quota_holders o WHERE o.expires_at > now()
        AND o.holder NOT IN (SELECT given.holder FROM given)) AS others`,
    [JSON.stringify(given), leaseMs],
  );
  return {
    last: new Map(rows.map(({ holder, last }) => [holder, last])),
    gateways: Math.max(1, rows.length + (rows[0]?.others ?? 0)),
  };
}

/** The rules of quotas that there are. */
export async function readRules(
  manager: EntityManager,
  quotaIds: readonly string[],
): Promise<Map<string, TimedRule>> {
  if (quotaIds.length === 0) return new Map();
  const rows = await manager.query<(TimedRule & { id: string })[]>(
    `SELECT q.id, q.name, q.unit, q."window", q."limit"::float8 AS "limit", q.refill_per_second AS "refillPerSecond",
       q.alert_at AS "alertAt", COALESCE(t.time_zone, 'UTC') AS "timeZone",
       extract(epoch FROM clock_timestamp())::float8 * 1000 AS "nowMs",
       (SELECT jsonb_object_agg(o.key, jsonb_build_object('limit', o."limit", 'until', o.ends_at)) FROM quota_overrides o
        WHERE o.quota_id = q.id AND o.ends_at > clock_timestamp()) AS overrides
     FROM quotas q LEFT JOIN clients c ON c.client_id = q.client_id LEFT JOIN teams t ON t.name = COALESCE(q.team, c.team)
     WHERE q.id = ANY($1::uuid[])`,
    [quotaIds],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** Locks the counts until the end of the transaction, in one order for all; a new one is empty. */
export async function lockCounts(
  manager: EntityManager,
  items: readonly CountKey[],
): Promise<Map<string, LedgerRow>> {
  const found = await selectCounts(manager, items, 'FOR UPDATE OF w');
  const missing = items.filter((item) => !found.has(nameOf(item)));
  if (missing.length === 0) return found;
  const made = await manager.query<CountRow[]>(
    `INSERT INTO quota_windows AS w (quota_id, key, window_start, used, leases, ahead, alerted)
     SELECT k.quota_id, k.key, 0, 0, '{}', '{}', 0 FROM json_to_recordset($1) ${keyColumns}
     JOIN quotas q ON q.id = k.quota_id ORDER BY 1, k.key COLLATE "C" ON CONFLICT DO NOTHING
     RETURNING ${countColumns}`,
    [keysOf(missing)],
  );
  for (const row of made) found.set(nameOf(row), toCount(row));
  // Another transaction was faster with these.
  const late = missing.filter((item) => !found.has(nameOf(item)));
  return new Map([...found, ...(await selectCounts(manager, late, 'FOR UPDATE OF w'))]);
}

/** The counts as they are; those that were never used are missing. */
export const readCounts = (
  manager: EntityManager,
  items: readonly CountKey[],
): Promise<Map<string, LedgerRow>> => selectCounts(manager, items, '');

/** Locks the counts of which any of the holders has something, of concurrency or of all else. */
export async function lockCountsOf(
  manager: EntityManager,
  holders: readonly string[],
  isConcurrency: boolean,
): Promise<Count[]> {
  const rows = await manager.query<CountRow[]>(
    `SELECT ${countColumns} FROM quota_windows w JOIN quotas q ON q.id = w.quota_id
     WHERE w.leases ?| $1 AND (q.unit = 'concurrency') = $2
     ORDER BY w.quota_id, w.key COLLATE "C" FOR UPDATE OF w`,
    [holders, isConcurrency],
  );
  return rows.map(toCount);
}

interface CountRow extends Omit<Count, 'windowStartMs'> {
  readonly window_start: number;
}

const countColumns = 'w.quota_id, w.key, w.window_start, w.used::float8, w.leases, w.ahead, w.alerted';

const toCount = ({ window_start: windowStartMs, ...row }: CountRow): Count => ({ ...row, windowStartMs });

async function selectCounts(
  manager: EntityManager,
  items: readonly CountKey[],
  lock: '' | 'FOR UPDATE OF w',
): Promise<Map<string, LedgerRow>> {
  if (items.length === 0) return new Map();
  const rows = await manager.query<CountRow[]>(
    `SELECT ${countColumns} FROM json_to_recordset($1) ${keyColumns}
     JOIN quota_windows w ON w.quota_id = k.quota_id AND w.key = k.key
     ORDER BY w.quota_id, w.key COLLATE "C" ${lock}`,
    [keysOf(items)],
  );
  return new Map(rows.map((row) => [nameOf(row), toCount(row)]));
}

/** Writes counts that are locked, and notes up to which call each holder was served. */
export async function writeCounts(
  manager: EntityManager,
  counts: readonly Count[],
  served: readonly { readonly holder: string; readonly sequence: number }[] = [],
): Promise<void> {
  const rows = counts.map(({ quota_id, key, windowStartMs: window_start, used, leases, ahead, alerted }) => ({
    quota_id,
    key,
    window_start,
    used,
    leases,
    ahead,
    alerted,
  }));
  await manager.query(
    `WITH noted AS (
       UPDATE quota_holders h SET last_sequence = n.sequence
       FROM json_to_recordset($2) AS n(holder uuid, sequence bigint) WHERE h.holder = n.holder)
     UPDATE quota_windows w SET window_start = n.window_start, used = n.used, leases = n.leases, ahead = n.ahead, alerted = n.alerted
     FROM json_to_recordset($1) AS n(quota_id uuid, key text, window_start float8, used bigint, leases jsonb, ahead jsonb, alerted float8)
     WHERE w.quota_id = n.quota_id AND w.key = n.key`,
    [JSON.stringify(rows), JSON.stringify(served)],
  );
}
