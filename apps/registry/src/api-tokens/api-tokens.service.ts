/** API tokens: made for oneself or for a client, never with more than its holder and its maker have. The token leaves this class once. */
import type { ApiToken, ApiTokenWithSecret, CreateApiToken, ListApiTokens } from '#contracts/api-tokens';
import type { Page } from '#contracts/common';
import { ApiTokenEntity } from '#database/entities/api-token.entity';
import { ClientEntity } from '#database/entities/client.entity';
import { PersonEntity } from '#database/entities/person.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, IsNull } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { effectiveScopes, noteUses } from '../auth/api-token-login.js';
import { digestOf, newApiToken } from '../auth/secrets.js';
import { mayIn, notCovered, teamsWith } from '../auth/team-access.js';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { toApiToken } from './api-tokens.mapper.js';

const PageKey = z.tuple([z.uuid()]);

/** Who will act by a token. */
type Holder = Pick<ApiTokenEntity, 'client_id' | 'person_id'> & { readonly login: string | null };

@Injectable()
export class ApiTokensService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
  ) {}

  /** A token that leaked must not outlive its revocation by tokens that it made. */
  async create(input: z.output<typeof CreateApiToken>, caller: Caller): Promise<ApiTokenWithSecret> {
    if (caller.apiTokenId !== undefined)
      throw new SluiceError(
        'FORBIDDEN',
        'An API token cannot make another one. Sign in, or use a client’s secret.',
      );
    const token = newApiToken();
    return this.transactions.write(caller, async (tx) => {
      const holder = await holderFor(tx.manager, input, caller);
      const row: ApiTokenEntity = {
        id: uuidv7(),
        hash: digestOf(token),
        name: input.name,
        client_id: holder.client_id,
        person_id: holder.person_id,
        scopes: [...new Set(input.scopes)],
        created_by: caller.subject,
        created_at: new Date(),
        expires_at: input.expires_at === null ? null : new Date(input.expires_at),
        last_used_at: null,
        revoked_at: null,
      };
      await tx.manager.insert(ApiTokenEntity, row);
      const made = toApiToken(row, holder.login);
      await tx.audit({ action: 'api_token.create', subject: `api-tokens/${row.id}`, after: made });
      tx.routingChanged();
      return { ...made, token };
    });
  }

  async list(query: z.output<typeof ListApiTokens>, caller: Caller): Promise<Page<ApiToken>> {
    const after = decodePageToken(query.page_token, PageKey);
    const teams = teamsWith(caller, 'clients:read');
    const rows = await this.dataSource.query<(ApiTokenEntity & { login: string | null })[]>(
      `SELECT t.*, p.login FROM api_tokens t
       LEFT JOIN clients c ON c.client_id = t.client_id LEFT JOIN people p ON p.id = t.person_id
       WHERE (t.client_id = $1 OR t.person_id = $2 OR ($3 AND c.id IS NOT NULL) OR c.team = ANY($4) OR ($5 AND p.id IS NOT NULL))
         AND ($6::text IS NULL OR t.client_id = $6) AND ($7::uuid IS NULL OR t.id < $7)
       ORDER BY t.id DESC LIMIT $8`,
      [
        caller.clientId ?? null,
        caller.person?.id ?? null,
        teams === undefined,
        teams ?? [],
        mayIn(caller, null, 'people:read'),
        query.client_id ?? null,
        after?.[0] ?? null,
        query.page_size + 1,
      ],
    );
    const items = rows.map((row) => toApiToken(row, row.login));
    return toPage(items, query.page_size, ({ id }) => [id]);
  }

  /** Revoking what is revoked changes nothing, and leaves no trace. One that the caller has no say in looks like none. */
  async revoke(id: string, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const row = await tx.manager.findOne(ApiTokenEntity, {
        where: { id },
        lock: { mode: 'pessimistic_write' },
      });
      if (!row || !(await mayRevoke(tx.manager, row, caller)))
        throw new SluiceError('API_TOKEN_NOT_FOUND', `There is no API token ${id}.`);
      if (!row.revoked_at) await revokeRow(tx, row);
    });
  }

  async noteUses(ids: readonly string[]): Promise<void> {
    await this.dataSource.query(noteUses, [ids]);
  }
}

async function revokeRow(tx: WriteContext, row: ApiTokenEntity): Promise<void> {
  const login = row.person_id === null ? null : await loginOf(tx.manager, row.person_id);
  const before = toApiToken(row, login);
  row.revoked_at = new Date();
  await tx.manager.save(ApiTokenEntity, row);
  const after = toApiToken(row, login);
  await tx.audit({ action: 'api_token.revoke', subject: `api-tokens/${row.id}`, before, after });
  tx.routingChanged();
}

/** Revokes all of a client's. */
export async function revokeApiTokensOf(tx: WriteContext, clientId: string): Promise<void> {
  const rows = await tx.manager.find(ApiTokenEntity, {
    where: { client_id: clientId, revoked_at: IsNull() },
    lock: { mode: 'pessimistic_write' },
  });
  for (const row of rows) await revokeRow(tx, row);
}

async function holderFor(
  manager: EntityManager,
  { client_id: clientId, scopes }: z.output<typeof CreateApiToken>,
  caller: Caller,
): Promise<Holder> {
  if (clientId === undefined && caller.person) {
    requireNone(notOwn(caller.scopes, scopes), 'you have');
    return { client_id: null, person_id: caller.person.id, login: caller.person.login };
  }
  const wanted = clientId ?? caller.clientId;
  const client = wanted === undefined ? null : await manager.findOneBy(ClientEntity, { client_id: wanted });
  const isSelf = client?.client_id === caller.clientId;
  if (!client || !(isSelf || mayIn(caller, client.team, 'clients:write')))
    throw new SluiceError('CLIENT_NOT_FOUND', `There is no client ${wanted ?? 'behind this token'}.`);
  requireNone(notOwn(client.scopes, scopes), 'the client has');
  requireNone(isSelf ? notOwn(caller.scopes, scopes) : notCovered(caller, client.team, scopes), 'you have');
  return { client_id: client.client_id, person_id: null, login: null };
}

const notOwn = (own: readonly string[], wanted: readonly string[]): string[] =>
  wanted.filter((scope) => !effectiveScopes([scope], own).includes(scope));

function requireNone(missing: readonly string[], who: string): void {
  if (missing.length > 0)
    throw new SluiceError('FORBIDDEN', `A token can have only what ${who}; ${missing.join(', ')} is more.`);
}

async function mayRevoke(manager: EntityManager, row: ApiTokenEntity, caller: Caller): Promise<boolean> {
  if (row.person_id !== null)
    return row.person_id === caller.person?.id || mayIn(caller, null, 'people:write');
  if (row.client_id === caller.clientId) return true;
  const client = await manager.findOneBy(ClientEntity, { client_id: row.client_id ?? '' });
  return client !== null && mayIn(caller, client.team, 'clients:write');
}

const loginOf = async (manager: EntityManager, id: string): Promise<string | null> =>
  (await manager.findOneBy(PersonEntity, { id }))?.login ?? null;
