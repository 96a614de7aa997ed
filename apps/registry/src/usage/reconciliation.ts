/**
 * Proves that what gateways have served is what the registry has counted: each gateway's own count, kept apart from its sums, against
 * the batches that were taken of it, and all of them against the sums that are billed.
 */
import { usageUnits } from '#contracts/usage';
import type { UsageBatch, UsageTotals, UsageUnit } from '#contracts/usage';
import { noUsage, sumUsage } from '#contracts/usage-totals';
import type { EntityManager } from 'typeorm';

export interface SourceAccount {
  readonly source: string;
  readonly gateway: string;
  readonly taken: UsageTotals;
  /** As of the last batch; absent of a gateway that does not tell. */
  readonly balance: UsageBatch['balance'] | null;
}

export interface Drift {
  /** A gateway's spool, or `all`: the sums that are billed against all that was taken. */
  readonly where: string;
  readonly unit: UsageUnit;
  readonly expected: number;
  readonly counted: number;
}

export interface Reconciliation {
  readonly sources: readonly SourceAccount[];
  readonly billed: UsageTotals;
  /** What gateways had still to send when they last spoke; it will be taken. */
  readonly waiting: UsageTotals;
  /** What gateways had no room for while the registry was away, as they say. */
  readonly lost: UsageTotals;
  readonly drifts: readonly Drift[];
}

const driftsOf = (where: string, expected: UsageTotals, counted: UsageTotals): Drift[] =>
  usageUnits
    .filter((unit) => expected[unit] !== counted[unit])
    .map((unit) => ({ where, unit, expected: expected[unit], counted: counted[unit] }));

export function reconcile(sources: readonly SourceAccount[], billed: UsageTotals): Reconciliation {
  const balances = sources.flatMap(({ balance }) => (balance ? [balance] : []));
  return {
    sources,
    billed,
    waiting: sumUsage(balances.map(({ waiting }) => waiting)),
    lost: sumUsage(balances.map(({ lost }) => lost)),
    drifts: [
      ...sources.flatMap(({ source, taken, balance }) =>
        balance ? driftsOf(source, balance.served, sumUsage([taken, balance.waiting, balance.lost])) : [],
      ),
      ...driftsOf('all', sumUsage(sources.map(({ taken }) => taken)), billed),
    ],
  };
}

/** Reads both sides as of one moment. The manager must be of a transaction with REPEATABLE READ. */
export async function readAccounts(manager: EntityManager): Promise<Reconciliation> {
  const sources = await manager.query<SourceAccount[]>(
    'SELECT source, gateway, taken, balance FROM usage_sources ORDER BY gateway, source',
  );
  const columns = usageUnits.map((unit) => `COALESCE(sum(${unit}), 0)::float8 AS ${unit}`).join(', ');
  const [billed] = await manager.query<UsageTotals[]>(`SELECT ${columns} FROM usage_hours`);
  return reconcile(sources, billed ?? noUsage());
}
