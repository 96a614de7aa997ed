/** Quotas: what a client, an endpoint or everybody may use. Gateways learn of each change by the snapshot. */
import type { CreateQuota, GrantQuota, ListQuotas, Quota, UpdateQuota } from '#contracts/quotas';
import type { Page } from '#contracts/common';
import { QuotaEntity, QuotaWindowEntity } from '#database/entities/quota.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { emptyRow, grantExtra } from '#quota/ledger';
import { Injectable } from '@nestjs/common';
import { isDeepStrictEqual } from 'node:util';
import { And, DataSource, Equal, In, MoreThan, Raw } from 'typeorm';
import type { FindOptionsWhere } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { Creations } from '../creations/creations.js';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { violatedConstraint } from '../http/violations.js';
import { lockCounts, nameOf, readRules, writeCounts } from './ledger-store.js';
import { lockQuota, quotaNotFound, saveChanged, subjectOf } from './quota-rows.js';
import { toQuota } from './quotas.mapper.js';

const PageKey = z.tuple([z.uuid()]);

@Injectable()
export class QuotasService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly creations: Creations,
  ) {}

  create(input: z.output<typeof CreateQuota>, caller: Caller): Promise<Quota> {
    const now = new Date();
    const row: QuotaEntity = {
      id: uuidv7(),
      ...input,
      outage: input.outage ?? usualOutage(input.window),
      revision: 1,
      created_at: now,
      updated_at: now,
    };
    return this.transactions.write(caller, async (tx) => {
      await tx.manager.insert(QuotaEntity, row).catch((error: unknown) => {
        throw refusalOf(error, row) ?? error;
      });
      await tx.audit({ action: 'quota.create', subject: subjectOf(row), after: toQuota(row) });
      tx.routingChanged();
      return toQuota(row);
    });
  }

  /** @param teams whose quotas may be seen, those of their clients among them; undefined: all */
  async list(query: z.output<typeof ListQuotas>, teams: string[] | undefined): Promise<Page<Quota>> {
    const after = decodePageToken(query.page_token, PageKey);
    const where: FindOptionsWhere<QuotaEntity> = {
      ...(after ? { id: MoreThan(after[0]) } : {}),
      ...(query.team === undefined ? {} : { team: query.team }),
      ...(query.client_id === undefined ? {} : { client_id: query.client_id }),
      ...(query.endpoint === undefined ? {} : { endpoint: query.endpoint }),
    };
    const rows = await this.dataSource.getRepository(QuotaEntity).find({
      where: teams ? visibleTo(teams, where) : where,
      order: { id: 'ASC' },
      take: query.page_size + 1,
    });
    return toPage(rows.map(toQuota), query.page_size, (quota) => [quota.id]);
  }

  /** @throws SluiceError QUOTA_NOT_FOUND */
  async read(id: string): Promise<Quota> {
    const row = await this.dataSource.getRepository(QuotaEntity).findOneBy({ id });
    if (!row) throw quotaNotFound(id);
    return toQuota(row);
  }

  update(id: string, input: z.output<typeof UpdateQuota>, caller: Caller): Promise<Quota> {
    return this.transactions.write(caller, async (tx) => {
      const row = await lockQuota(tx, id);
      const before = toQuota(row);
      Object.assign(row, input);
      if (isDeepStrictEqual(toQuota(row), before)) return before;
      if (row.alert_at.length > 0 && (row.window === null || row.window === 'bucket'))
        throw new SluiceError('INVALID_REQUEST', 'Buckets and concurrency have no window to alert in.');
      const after = await saveChanged(tx, row);
      await tx.audit({ action: 'quota.update', subject: subjectOf(row), before, after });
      return after;
    });
  }

  /** Forgets what was used. What gateways hold stays counted, so that not even now more than the limit is admitted. */
  reset(id: string, caller: Caller): Promise<Quota> {
    return this.transactions.write(caller, async (tx) => {
      const row = await lockQuota(tx, id);
      const before = toQuota(row);
      const used = (await tx.manager.sum(QuotaWindowEntity, 'used', { quota_id: id })) ?? 0;
      await tx.manager.update(QuotaWindowEntity, { quota_id: id }, { used: 0, alerted: 0 });
      const after = await saveChanged(tx, row);
      const counts = { before: { ...before, used }, after: { ...after, used: 0 } };
      await tx.audit({ action: 'quota.reset', subject: subjectOf(row), ...counts });
      return after;
    });
  }

  /** Lets one count use more in the window of the moment. */
  grant(id: string, input: z.output<typeof GrantQuota>, caller: Caller): Promise<Quota> {
    const make = async (tx: WriteContext): Promise<Quota> => {
      const row = await lockQuota(tx, id);
      if (row.window === null)
        throw new SluiceError(
          'INVALID_REQUEST',
          'Concurrency has no window to grant in. Change the limit, or override it for a time.',
        );
      const before = toQuota(row);
      const count = { quota_id: id, key: keyOf(row, input.client_id) };
      const rule = (await readRules(tx.manager, [id])).get(id);
      const last = (await lockCounts(tx.manager, [count])).get(nameOf(count)) ?? emptyRow;
      if (!rule) throw new Error(`the rule of quota ${id} cannot be read`);
      const granted = grantExtra(rule, last, input.amount, rule.nowMs);
      await writeCounts(tx.manager, [{ ...count, ...granted }]);
      const after = await saveChanged(tx, row);
      await tx.audit({
        action: 'quota.grant',
        subject: subjectOf(row),
        before: { ...before, used: granted.used + input.amount },
        after: { ...after, used: granted.used, grant: input },
      });
      return after;
    };
    return this.creations.answer(caller, { make, nameOf: () => id, read: () => this.read(id) });
  }

  async remove(id: string, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const row = await lockQuota(tx, id);
      await tx.manager.delete(QuotaEntity, { id });
      await tx.audit({ action: 'quota.delete', subject: subjectOf(row), before: toQuota(row) });
      tx.routingChanged();
    });
  }
}

/** @throws SluiceError INVALID_REQUEST when it is not clear whose count is meant */
function keyOf({ client_id, per_client }: QuotaEntity, client: string | undefined): string {
  const isApart = client_id === null && per_client;
  if (isApart === (client !== undefined)) return client ?? '';
  throw new SluiceError(
    'INVALID_REQUEST',
    isApart ? 'Each client is counted apart: name one.' : 'This quota has one count: name no client.',
  );
}

/** What holds without the registry when nobody said so: long windows are budgets, short ones protect capacity. */
const usualOutage = (window: Quota['window']): Quota['outage'] =>
  window === 'day' || window === 'month' ? 'deny' : 'local_share';

function visibleTo(teams: string[], where: FindOptionsWhere<QuotaEntity>): FindOptionsWhere<QuotaEntity>[] {
  const own = typeof where.team === 'string' ? teams.filter((team) => team === where.team) : teams;
  const ofOwnClients = Raw(
    (column) => `${column} IN (SELECT client_id FROM clients WHERE team = ANY(:teams))`,
    { teams },
  );
  const clients = where.client_id === undefined ? ofOwnClients : And(Equal(where.client_id), ofOwnClients);
  return [
    { ...where, team: In(own) },
    { ...where, client_id: clients },
  ];
}

/** What a violated constraint means to the caller. */
function refusalOf(error: unknown, row: QuotaEntity): SluiceError | undefined {
  const constraint = violatedConstraint(error);
  if (constraint === 'quotas_name_key')
    return new SluiceError('ALREADY_EXISTS', `There is a quota ${row.name} already.`);
  if (constraint === 'quotas_team_fkey')
    return new SluiceError('TEAM_NOT_FOUND', `There is no team ${row.team ?? ''}.`);
  if (constraint === 'quotas_client_fkey')
    return new SluiceError('CLIENT_NOT_FOUND', `There is no client ${row.client_id ?? ''}.`);
  if (constraint === 'quotas_endpoint_fkey')
    return new SluiceError('ENDPOINT_NOT_FOUND', `There is no endpoint ${row.endpoint ?? ''}.`);
  return undefined;
}
