/**
 * What gateways have counted. A batch is taken in the transaction that notes its sequence, so a batch that is sent again changes
 * nothing, and one that was not answered can be. Each source sends its batches one after the other.
 */
import { usageUnits } from '#contracts/usage';
import type { GetUsage, UsageBatch, UsageGroup, UsageReceipt, UsageSum, UsageTotals } from '#contracts/usage';
import { noUsage, sumUsage } from '#contracts/usage-totals';
import { retryDeadlocks } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import type { z } from 'zod';

/** What a group is in SQL. */
const expressions: Record<UsageGroup, string> = {
  month: `to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM')`,
  day: `to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD')`,
  hour: `to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`,
  team: 'team',
  client_id: 'client_id',
  endpoint: 'endpoint',
  version: 'version',
  outcome: 'outcome',
};

@Injectable()
export class UsageService {
  constructor(private readonly dataSource: DataSource) {}

  /** @throws SluiceError FORBIDDEN for a source that belongs to another gateway */
  take(batch: UsageBatch, gateway: string): Promise<UsageReceipt> {
    return retryDeadlocks(() =>
      this.dataSource.transaction(async (manager) => {
        const last = await lockSource(manager, batch.source, gateway);
        if (batch.sequence <= last) return { last_sequence: last };
        await addRows(manager, batch);
        await noteTaken(manager, batch);
        await queueEvents(manager, batch);
        return { last_sequence: batch.sequence };
      }),
    );
  }

  /** @param teams whose usage may be seen; undefined: all */
  sums(query: z.output<typeof GetUsage>, teams: readonly string[] | undefined): Promise<UsageSum[]> {
    const groups = query.group_by.map((group) => `${expressions[group]} AS ${group}`);
    const positions = query.group_by.map((_, index) => index + 1).join(', ');
    return this.dataSource.query<UsageSum[]>(
      `SELECT ${[...groups, ''].join(', ')}
              ${usageUnits.map((unit) => `COALESCE(sum(${unit}), 0)::float8 AS ${unit}`).join(', ')}
       FROM usage_hours
       WHERE hour >= $1 AND hour < $2 AND ($3::text IS NULL OR team = $3) AND ($4::text IS NULL OR client_id = $4)
         AND ($5::text IS NULL OR endpoint = $5) AND ($6::text IS NULL OR outcome = $6)
         AND ($7::text[] IS NULL OR team = ANY($7))
       ${positions === '' ? '' : `GROUP BY ${positions} ORDER BY ${positions}`}`,
      [
        query.from,
        query.to,
        query.team ?? null,
        query.client_id ?? null,
        query.endpoint ?? null,
        query.outcome ?? null,
        teams ?? null,
      ],
    );
  }
}

async function lockSource(manager: EntityManager, source: string, gateway: string): Promise<number> {
  await manager.query(
    `INSERT INTO usage_sources (source, gateway, last_sequence, taken, seen_at) VALUES ($1, $2, 0, $3, now()) ON CONFLICT DO NOTHING`,
    [source, gateway, JSON.stringify(noUsage())],
  );
  const [row] = await manager.query<{ gateway: string; last: number }[]>(
    'SELECT gateway, last_sequence::float8 AS last FROM usage_sources WHERE source = $1 FOR UPDATE',
    [source],
  );
  if (row?.gateway !== gateway) throw new SluiceError('FORBIDDEN', 'This source belongs to another gateway.');
  return row.last;
}

/** The batch is taken: its sequence, its part of the source's sum, and what its gateway says of itself. */
async function noteTaken(
  manager: EntityManager,
  { source, sequence, rows, balance }: UsageBatch,
): Promise<void> {
  const [row] = await manager.query<{ taken: UsageTotals }[]>(
    'SELECT taken FROM usage_sources WHERE source = $1',
    [source],
  );
  const taken = sumUsage([row?.taken ?? noUsage(), ...rows]);
  await manager.query(
    'UPDATE usage_sources SET last_sequence = $2, taken = $3, balance = $4, seen_at = now() WHERE source = $1',
    [source, sequence, JSON.stringify(taken), balance ? JSON.stringify(balance) : null],
  );
}

/** For who wants them sent: while nobody does, nothing is kept. */
async function queueEvents(manager: EntityManager, { source, sequence, rows }: UsageBatch): Promise<void> {
  await manager.query(
    `INSERT INTO usage_events (source, sequence, position, row)
     SELECT $1, $2, position, row FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY AS r(row, position)
     WHERE EXISTS (SELECT 1 FROM usage_export)`,
    [source, sequence, JSON.stringify(rows)],
  );
}

const columns = usageUnits.join(', ');
const sums = usageUnits.map((unit) => `sum(r.${unit})`).join(', ');
const types = usageUnits.map((unit) => `${unit} bigint`).join(', ');
const additions = usageUnits.map((unit) => `${unit} = u.${unit} + excluded.${unit}`).join(', ');

/** In the order of the key, so that batches of several gateways do not lock each other out. */
async function addRows(manager: EntityManager, { rows }: UsageBatch): Promise<void> {
  await manager.query(
    `INSERT INTO usage_hours AS u (hour, team, client_id, endpoint, version, outcome, ${columns})
     SELECT date_trunc('hour', r.hour, 'UTC'), r.team, r.client_id, r.endpoint, r.version, r.outcome, ${sums}
     FROM jsonb_to_recordset($1) AS r(hour timestamptz, team text, client_id text, endpoint text, version int, outcome text, ${types})
     GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
     ON CONFLICT (hour, team, client_id, endpoint, version, outcome) DO UPDATE SET ${additions}`,
    [JSON.stringify(rows)],
  );
}
