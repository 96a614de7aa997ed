/** Outside issuers: who else is trusted, and on what terms. Gateways learn of each change by the snapshot. */
import type { Page } from '#contracts/common';
import type { CreateIssuer, Issuer, ListIssuers, UpdateIssuer } from '#contracts/issuers';
import { IssuerEntity } from '#database/entities/issuer.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, MoreThan } from 'typeorm';
import { z } from 'zod';
import { IssuerKeys } from '../auth/issuer-keys.js';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { violatedConstraint } from '../http/violations.js';
import { toIssuer } from './issuers.mapper.js';

const PageKey = z.tuple([z.string()]);

@Injectable()
export class IssuersService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly keys: IssuerKeys,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** An issuer whose keys cannot be read now is taken all the same: `keys_error` says so, and it is tried again. */
  async create(input: z.output<typeof CreateIssuer>, caller: Caller): Promise<Issuer> {
    if (input.issuer === this.config.SLUICE_ISSUER)
      throw new SluiceError('INVALID_REQUEST', 'This is the issuer of our own tokens.');
    const now = new Date();
    const row: IssuerEntity = {
      ...input,
      jwks: { keys: [] },
      keys_fetched_at: null,
      keys_tried_at: null,
      keys_error: null,
      disabled_at: null,
      created_at: now,
      updated_at: now,
    };
    await this.transactions.write(caller, async (tx) => {
      await tx.manager.insert(IssuerEntity, row).catch((error: unknown) => {
        if (violatedConstraint(error) === undefined) throw error;
        throw new SluiceError(
          'ALREADY_EXISTS',
          `There is an issuer of the name ${row.name}, or one for ${row.issuer}.`,
        );
      });
      await tx.audit({ action: 'issuer.create', subject: `issuers/${row.name}`, after: toIssuer(row) });
      tx.routingChanged();
    });
    return this.refreshKeys(row.name);
  }

  async list(query: z.output<typeof ListIssuers>): Promise<Page<Issuer>> {
    const after = decodePageToken(query.page_token, PageKey);
    const rows = await this.dataSource.getRepository(IssuerEntity).find({
      where: after ? { name: MoreThan(after[0]) } : {},
      order: { name: 'ASC' },
      take: query.page_size + 1,
    });
    return toPage(rows.map(toIssuer), query.page_size, ({ name }) => [name]);
  }

  async update(name: string, input: z.output<typeof UpdateIssuer>, caller: Caller): Promise<Issuer> {
    await this.transactions.write(caller, async (tx) => {
      const row = await lockIssuer(tx, name);
      const before = toIssuer(row);
      const { disabled, jwks_url = row.jwks_url, ...terms } = input;
      // Keys that came from elsewhere are not the keys of the new address.
      if (jwks_url !== row.jwks_url)
        Object.assign(row, { jwks_url, jwks: { keys: [] }, keys_tried_at: null });
      Object.assign(row, terms);
      if (disabled !== undefined) row.disabled_at = disabled ? (row.disabled_at ?? new Date()) : null;
      row.updated_at = new Date();
      const after = toIssuer(await tx.manager.save(row));
      await tx.audit({ action: 'issuer.update', subject: `issuers/${name}`, before, after });
      tx.routingChanged();
    });
    return this.refreshKeys(name);
  }

  async refreshKeys(name: string): Promise<Issuer> {
    await this.keys.refresh(name, 0);
    const row = await this.dataSource.getRepository(IssuerEntity).findOneBy({ name });
    if (!row) throw notFound(name);
    return toIssuer(row);
  }

  async remove(name: string, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const row = await lockIssuer(tx, name);
      await tx.manager.delete(IssuerEntity, { name });
      await tx.audit({ action: 'issuer.delete', subject: `issuers/${name}`, before: toIssuer(row) });
      tx.routingChanged();
    });
  }
}

async function lockIssuer({ manager }: WriteContext, name: string): Promise<IssuerEntity> {
  const row = await manager.findOne(IssuerEntity, { where: { name }, lock: { mode: 'pessimistic_write' } });
  if (!row) throw notFound(name);
  return row;
}

const notFound = (name: string): SluiceError =>
  new SluiceError('ISSUER_NOT_FOUND', `There is no issuer ${name}.`);
