/**
 * Clients (service accounts). Nobody can give away more than he has: creating a client, or replacing the secret of one,
 * takes every scope that it holds. A secret leaves this class once, in the answer that made it.
 */
import type { Client, ClientWithSecret, CreateClient, ListClients, UpdateClient } from '#contracts/clients';
import type { Page } from '#contracts/common';
import { ClientEntity } from '#database/entities/client.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { DataSource, In, MoreThan } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { revokeApiTokensOf } from '../api-tokens/api-tokens.service.js';
import { nextWholeSecond } from '../auth/client-state.js';
import { hashSecret, newSecret } from '../auth/secrets.js';
import { mayIn, notCovered, requireIn, teamsWith } from '../auth/team-access.js';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { violatedConstraint } from '../http/violations.js';
import { toClient } from './clients.mapper.js';
import { retireSecret } from './old-secrets.js';

const PageKey = z.tuple([z.string()]);

@Injectable()
export class ClientsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
  ) {}

  async create(input: z.output<typeof CreateClient>, caller: Caller): Promise<ClientWithSecret> {
    requireIn(caller, input.team, 'clients:write');
    requireCovered(caller, input);
    const secret = newSecret();
    const now = new Date();
    const row: ClientEntity = {
      id: uuidv7(),
      client_id: input.client_id ?? inventClientId(input.name),
      name: input.name,
      secret_hash: await hashSecret(secret),
      scopes: [...new Set(input.scopes)],
      team: input.team,
      endpoints: input.endpoints,
      expires_at: toInstant(input.expires_at),
      old_secrets: [],
      tokens_valid_from: null,
      disabled_at: null,
      secret_rotated_at: now,
      created_at: now,
    };
    await this.transactions.write(caller, async (tx) => {
      await tx.manager.insert(ClientEntity, row).catch((error: unknown) => {
        throw refusalOf(error, row) ?? error;
      });
      await tx.audit({ action: 'client.create', subject: subjectOf(row), after: toClient(row) });
      if (row.endpoints || row.expires_at) tx.routingChanged();
    });
    return { ...toClient(row), client_secret: secret };
  }

  async list(query: z.output<typeof ListClients>, caller: Caller): Promise<Page<Client>> {
    const teams = teamsWith(caller, 'clients:read');
    const after = decodePageToken(query.page_token, PageKey);
    const rows = await this.dataSource.getRepository(ClientEntity).find({
      where: {
        ...(after ? { client_id: MoreThan(after[0]) } : {}),
        ...(teams ? { team: In(teams) } : {}),
      },
      order: { client_id: 'ASC' },
      take: query.page_size + 1,
    });
    return toPage(rows.map(toClient), query.page_size, (client) => [client.client_id]);
  }

  /** @throws SluiceError CLIENT_NOT_FOUND, also for one of a team in which the caller has no say */
  async read(clientId: string, caller: Caller): Promise<Client> {
    const row = await this.dataSource.getRepository(ClientEntity).findOneBy({ client_id: clientId });
    if (!row || !mayIn(caller, row.team, 'clients:read')) throw clientNotFound(clientId);
    return toClient(row);
  }

  /** Gateways learn of a new allow-list, of an expiry and of revoked tokens by the snapshot, so tokens that are out already obey it. */
  update(clientId: string, input: z.output<typeof UpdateClient>, caller: Caller): Promise<Client> {
    return this.transactions.write(caller, async (tx) => {
      const row = await lockClient(tx, clientId, caller);
      requireCovered(caller, row);
      const before = toClient(row);
      if (input.name !== undefined) row.name = input.name;
      if (input.scopes !== undefined) changeScopes(row, input.scopes);
      requireCovered(caller, row);
      if (input.endpoints !== undefined) row.endpoints = input.endpoints;
      if (input.expires_at !== undefined) row.expires_at = toInstant(input.expires_at);
      const after = toClient(await tx.manager.save(row));
      await tx.audit({ action: 'client.update', subject: subjectOf(row), before, after });
      tx.routingChanged();
      return after;
    });
  }

  disable(clientId: string, caller: Caller): Promise<Client> {
    return this.setDisabled(clientId, caller, new Date());
  }

  enable(clientId: string, caller: Caller): Promise<Client> {
    return this.setDisabled(clientId, caller, null);
  }

  /** @param overlapS how long the secrets before it go on working; 0 ends all of them now */
  async rotateSecret(clientId: string, overlapS: number, caller: Caller): Promise<ClientWithSecret> {
    const secret = newSecret();
    const secretHash = await hashSecret(secret);
    return this.transactions.write(caller, async (tx) => {
      const row = await lockClient(tx, clientId, caller);
      requireCovered(caller, row);
      const before = toClient(row);
      row.old_secrets = retireSecret(row, overlapS, Date.now());
      row.secret_hash = secretHash;
      row.secret_rotated_at = new Date();
      const after = toClient(await tx.manager.save(row));
      await tx.audit({ action: 'client.rotate_secret', subject: subjectOf(row), before, after });
      return { ...after, client_secret: secret };
    });
  }

  revokeTokens(clientId: string, caller: Caller): Promise<Client> {
    return this.transactions.write(caller, async (tx) => {
      const row = await lockClient(tx, clientId, caller);
      requireCovered(caller, row);
      const before = toClient(row);
      row.tokens_valid_from = nextWholeSecond(Date.now());
      await revokeApiTokensOf(tx, clientId);
      const after = toClient(await tx.manager.save(row));
      await tx.audit({ action: 'client.revoke_tokens', subject: subjectOf(row), before, after });
      tx.routingChanged();
      return after;
    });
  }

  /** Disabling what is disabled changes nothing, and leaves no trace. */
  private setDisabled(clientId: string, caller: Caller, disabledAt: Date | null): Promise<Client> {
    return this.transactions.write(caller, async (tx) => {
      const row = await lockClient(tx, clientId, caller);
      if ((row.disabled_at === null) === (disabledAt === null)) return toClient(row);
      const before = toClient(row);
      row.disabled_at = disabledAt;
      const after = toClient(await tx.manager.save(row));
      const action = disabledAt ? 'client.disable' : 'client.enable';
      await tx.audit({ action, subject: subjectOf(row), before, after });
      tx.routingChanged();
      return after;
    });
  }
}

/** A client of a team in which the caller has no say looks like none. */
async function lockClient(
  { manager }: WriteContext,
  clientId: string,
  caller: Caller,
): Promise<ClientEntity> {
  const row = await manager.findOne(ClientEntity, {
    where: { client_id: clientId },
    lock: { mode: 'pessimistic_write' },
  });
  if (!row || !mayIn(caller, row.team, 'clients:write')) throw clientNotFound(clientId);
  return row;
}

const clientNotFound = (clientId: string): SluiceError =>
  new SluiceError('CLIENT_NOT_FOUND', `There is no client ${clientId}.`);

function requireCovered(caller: Caller, { team, scopes }: Pick<ClientEntity, 'team' | 'scopes'>): void {
  const missing = notCovered(caller, team, scopes);
  if (missing.length === 0) return;
  throw new SluiceError('FORBIDDEN', `Only a caller who has ${missing.join(', ')} can give it to a client.`);
}

/** Tokens carry scopes: those that are out would go on giving what is taken away. */
function changeScopes(row: ClientEntity, scopes: readonly string[]): void {
  if (row.scopes.some((scope) => !scopes.includes(scope)))
    row.tokens_valid_from = nextWholeSecond(Date.now());
  row.scopes = [...new Set(scopes)];
}

const subjectOf = (row: ClientEntity): string => `clients/${row.client_id}`;
const toInstant = (text: string | null): Date | null => (text === null ? null : new Date(text));

/** What a violated constraint means to the caller. */
function refusalOf(error: unknown, row: ClientEntity): SluiceError | undefined {
  const constraint = violatedConstraint(error);
  if (constraint === 'clients_client_id_key')
    return new SluiceError('ALREADY_EXISTS', `There is a client ${row.client_id} already.`);
  if (constraint === 'clients_team_fkey')
    return new SluiceError('TEAM_NOT_FOUND', `There is no team ${row.team}.`);
  return undefined;
}

/** Readable, and as good as unique: `churn-trainer-9f2c61`. */
function inventClientId(name: string): string {
  const words = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  const stem = words.slice(0, 100).replaceAll(/^-+|-+$/g, '') || 'client';
  return `${stem}-${randomBytes(3).toString('hex')}`;
}
