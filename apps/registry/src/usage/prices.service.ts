/** Prices, versioned in time, and what a team owes by them. Amounts are exact decimals: they are computed by the database. */
import { usageUnits } from '#contracts/usage';
import type { CreatePrice, Price, Statement } from '#contracts/usage';
import { PriceEntity } from '#database/entities/usage.entity';
import { TeamEntity } from '#database/entities/team.entity';
import { Transactions } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { violatedConstraint } from '../http/violations.js';

const toPrice = (row: PriceEntity): Price => ({
  id: row.id,
  endpoint: row.endpoint,
  unit: row.unit,
  currency: row.currency,
  price_per_million: row.price_per_million,
  valid_from: row.valid_from.toISOString(),
  created_at: row.created_at.toISOString(),
});

const quantities = usageUnits.map((unit) => `('${unit}', u.${unit})`).join(', ');

/** Answered requests of the month, each hour at the price that held then. $1 team, $2 month, $3 time zone. */
const statementLines = `
  SELECT u.endpoint, x.unit, p.currency, p.price_per_million::text AS price_per_million,
         sum(x.quantity)::float8 AS quantity, round(sum(x.quantity) * p.price_per_million / 1000000, 6)::text AS amount
  FROM usage_hours u
  CROSS JOIN LATERAL (VALUES ${quantities}) AS x(unit, quantity)
  CROSS JOIN LATERAL (
    SELECT currency, price_per_million FROM prices
    WHERE prices.unit = x.unit AND COALESCE(prices.endpoint, u.endpoint) = u.endpoint AND prices.valid_from <= u.hour
    ORDER BY prices.endpoint IS NULL, prices.valid_from DESC LIMIT 1) p
  WHERE u.team = $1 AND u.outcome = 'OK' AND x.quantity > 0
    AND u.hour >= ($2 || '-01')::timestamp AT TIME ZONE $3
    AND u.hour < (($2 || '-01')::timestamp + interval '1 month') AT TIME ZONE $3
  GROUP BY 1, 2, 3, p.price_per_million`;

@Injectable()
export class PricesService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
  ) {}

  async list(): Promise<Price[]> {
    const rows = await this.dataSource
      .getRepository(PriceEntity)
      .find({ order: { valid_from: 'DESC', id: 'DESC' } });
    return rows.map(toPrice);
  }

  create(input: z.output<typeof CreatePrice>, caller: Caller): Promise<Price> {
    const row: PriceEntity = {
      ...input,
      id: uuidv7(),
      valid_from: new Date(input.valid_from),
      created_at: new Date(),
    };
    return this.transactions.write(caller, async (tx) => {
      await tx.manager.insert(PriceEntity, row).catch((error: unknown) => {
        throw refusalOf(error, row) ?? error;
      });
      await tx.audit({ action: 'price.create', subject: `prices/${row.id}`, after: toPrice(row) });
      return toPrice(row);
    });
  }

  async statement(team: string, month: string): Promise<Statement> {
    const row = await this.dataSource.getRepository(TeamEntity).findOneBy({ name: team });
    if (!row) throw new SluiceError('TEAM_NOT_FOUND', `There is no team ${team}.`);
    const parameters = [team, month, row.time_zone];
    const lines = await this.dataSource.query<Statement['lines']>(
      `${statementLines} ORDER BY 1, 2, 3, p.price_per_million`,
      parameters,
    );
    const totals = await this.dataSource.query<Statement['totals']>(
      `SELECT currency, sum(amount::numeric)::text AS amount FROM (${statementLines}) lines GROUP BY 1 ORDER BY 1`,
      parameters,
    );
    return { team, month, time_zone: row.time_zone, lines, totals };
  }
}

function refusalOf(error: unknown, row: PriceEntity): SluiceError | undefined {
  const constraint = violatedConstraint(error);
  if (constraint === 'prices_validity_key' || constraint === 'prices_general_key')
    return new SluiceError('ALREADY_EXISTS', 'There is a price for this unit from this time on already.');
  if (constraint === 'prices_endpoint_fkey')
    return new SluiceError('ENDPOINT_NOT_FOUND', `There is no endpoint ${row.endpoint ?? ''}.`);
  return undefined;
}
