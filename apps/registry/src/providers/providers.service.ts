/** Sign-in providers, as an admin sets them up. A client secret never leaves this class but for the provider itself. */
import type { Page } from '#contracts/common';
import type { CreateProvider, ListProviders, SignInProvider, UpdateProvider } from '#contracts/providers';
import { SignInProviderEntity } from '#database/entities/provider.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, IsNull, MoreThan } from 'typeorm';
import { z } from 'zod';
import { toStored } from '../auth/key-seal.js';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { violatedConstraint } from '../http/violations.js';
import { secretName, toProvider } from './providers.mapper.js';

const PageKey = z.tuple([z.string()]);

@Injectable()
export class ProvidersService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  create(input: z.output<typeof CreateProvider>, caller: Caller): Promise<SignInProvider> {
    const now = new Date();
    const row: SignInProviderEntity = {
      ...input,
      client_secret: this.stored(input.name, input.client_secret),
      disabled_at: null,
      created_at: now,
      updated_at: now,
    };
    return this.transactions.write(caller, async (tx) => {
      await tx.manager.insert(SignInProviderEntity, row).catch((error: unknown) => {
        if (violatedConstraint(error) === undefined) throw error;
        throw new SluiceError('ALREADY_EXISTS', `There is a sign-in provider ${row.name} already.`);
      });
      const made = this.shown(row);
      await tx.audit({ action: 'provider.create', subject: `sign-in-providers/${row.name}`, after: made });
      return made;
    });
  }

  async list(query: z.output<typeof ListProviders>): Promise<Page<SignInProvider>> {
    const after = decodePageToken(query.page_token, PageKey);
    const rows = await this.dataSource.getRepository(SignInProviderEntity).find({
      where: after ? { name: MoreThan(after[0]) } : {},
      order: { name: 'ASC' },
      take: query.page_size + 1,
    });
    const items = rows.map((row) => this.shown(row));
    return toPage(items, query.page_size, ({ name }) => [name]);
  }

  async names(): Promise<{ name: string }[]> {
    const rows = await this.dataSource
      .getRepository(SignInProviderEntity)
      .find({ where: { disabled_at: IsNull() }, order: { name: 'ASC' } });
    return rows.map(({ name }) => ({ name }));
  }

  update(name: string, input: z.output<typeof UpdateProvider>, caller: Caller): Promise<SignInProvider> {
    return this.transactions.write(caller, async (tx) => {
      const row = await lockProvider(tx, name);
      const before = this.shown(row);
      const { disabled, client_secret: secret, ...terms } = input;
      Object.assign(row, terms);
      if (secret !== undefined) row.client_secret = this.stored(name, secret);
      if (disabled !== undefined) row.disabled_at = disabled ? (row.disabled_at ?? new Date()) : null;
      row.updated_at = new Date();
      const after = this.shown(await tx.manager.save(row));
      await tx.audit({ action: 'provider.update', subject: `sign-in-providers/${name}`, before, after });
      return after;
    });
  }

  async remove(name: string, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const row = await lockProvider(tx, name);
      await tx.manager.delete(SignInProviderEntity, { name });
      const before = this.shown(row);
      await tx.audit({ action: 'provider.delete', subject: `sign-in-providers/${name}`, before });
    });
  }

  private shown(row: SignInProviderEntity): SignInProvider {
    return toProvider(row, this.config.SLUICE_PUBLIC_URL);
  }

  private stored(name: string, secret: string | null): string | null {
    return secret === null ? null : toStored(secret, secretName(name), this.config.SLUICE_MASTER_KEY);
  }
}

async function lockProvider({ manager }: WriteContext, name: string): Promise<SignInProviderEntity> {
  const row = await manager.findOne(SignInProviderEntity, {
    where: { name },
    lock: { mode: 'pessimistic_write' },
  });
  if (!row) throw new SluiceError('PROVIDER_NOT_FOUND', `There is no sign-in provider ${name}.`);
  return row;
}
