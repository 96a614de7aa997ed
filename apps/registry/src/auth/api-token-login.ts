/**
 * Who calls with an API token. Of the token's scopes those count that its holder has by now, here and (by the snapshot) at the
 * gateways alike.
 */
import { apiTokenPrefix } from '#contracts/api-tokens';
import { scopesOfAll } from '#contracts/roles';
import { ApiTokenEntity } from '#database/entities/api-token.entity';
import { ClientEntity } from '#database/entities/client.entity';
import { PersonEntity } from '#database/entities/person.entity';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Caller } from '../http/caller.js';
import { clientCaller, personCaller } from './callers.js';
import { requireUsable, requireUsablePerson } from './client-state.js';
import { covers } from './scope-selection.js';
import { digestOf } from './secrets.js';

export const isApiToken = (token: string): boolean => token.startsWith(apiTokenPrefix);

/** What is left of a token's scopes. */
export const effectiveScopes = (token: readonly string[], holder: readonly string[]): string[] =>
  token.filter((scope) => covers(holder, scope));

/** The time of the last use is kept to the minute: a write per request would cost more than the request. */
export const noteUses = `UPDATE api_tokens SET last_used_at = now()
  WHERE id = ANY($1) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`;

@Injectable()
export class ApiTokenLogin {
  constructor(private readonly dataSource: DataSource) {}

  /** @throws SluiceError UNAUTHENTICATED, CLIENT_DISABLED, PERSON_DISABLED */
  async authenticate(token: string, requestId: string): Promise<Caller> {
    const { manager } = this.dataSource;
    const row = await manager.findOneBy(ApiTokenEntity, { hash: digestOf(token) });
    const isOver = row?.expires_at && row.expires_at.getTime() <= Date.now();
    if (!row || row.revoked_at || isOver)
      throw new SluiceError('UNAUTHENTICATED', 'The API token is not known, or it is revoked or over.', {
        cause: 'api token',
      });
    const caller = await this.holder(row, requestId);
    if (!row.last_used_at || Date.now() - row.last_used_at.getTime() > 60_000)
      await manager.query(noteUses, [[row.id]]);
    return { ...caller, apiTokenId: row.id };
  }

  private async holder(row: ApiTokenEntity, requestId: string): Promise<Caller> {
    const { manager } = this.dataSource;
    if (row.client_id !== null) {
      const client = await manager.findOneByOrFail(ClientEntity, { client_id: row.client_id });
      requireUsable(client, Date.now());
      return clientCaller(client.client_id, {
        requestId,
        scopes: effectiveScopes(row.scopes, client.scopes),
      });
    }
    const person = await manager.findOneByOrFail(PersonEntity, { id: row.person_id ?? '' });
    requireUsablePerson(person);
    const scopes = effectiveScopes(row.scopes, scopesOfAll(person.roles));
    return personCaller(person, undefined, { requestId, scopes });
  }
}
