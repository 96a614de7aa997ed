/**
 * Whose quotas a caller may see and change. A quota of a client belongs to the client's team. A quota of a whole team is set from above:
 * the team sees it, and only who sets quotas for all teams changes it.
 */
import { ClientEntity } from '#database/entities/client.entity';
import { QuotaEntity } from '#database/entities/quota.entity';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { mayIn, requireIn } from '../auth/team-access.js';
import type { Caller } from '../http/caller.js';
import { quotaNotFound } from './quota-rows.js';

type Whose = Pick<QuotaEntity, 'team' | 'client_id'>;

@Injectable()
export class QuotaAccess {
  constructor(private readonly dataSource: DataSource) {}

  /** @throws SluiceError FORBIDDEN unless the caller may set quotas for this */
  async requireSetting(whose: Whose, caller: Caller): Promise<void> {
    if (!mayIn(caller, null, 'quotas:write'))
      requireIn(caller, await this.teamOf(whose.client_id), 'quotas:write');
  }

  /** @throws SluiceError QUOTA_NOT_FOUND for one that the caller may not see, FORBIDDEN for one he may only see */
  async requireChanging(id: string, caller: Caller): Promise<void> {
    if (mayIn(caller, null, 'quotas:write')) return;
    await this.requireSetting(await this.seen(id, caller), caller);
  }

  /** @throws SluiceError QUOTA_NOT_FOUND */
  async requireSeeing(id: string, caller: Caller): Promise<void> {
    if (!mayIn(caller, null, 'quotas:read')) await this.seen(id, caller);
  }

  /** @throws SluiceError CLIENT_NOT_FOUND for a client of a team in which the caller has no say */
  async requireExplaining(clientId: string, caller: Caller): Promise<void> {
    if (mayIn(caller, null, 'quotas:read') || mayIn(caller, await this.teamOf(clientId), 'quotas:read'))
      return;
    throw new SluiceError('CLIENT_NOT_FOUND', `There is no client ${clientId}.`);
  }

  private async seen(id: string, caller: Caller): Promise<QuotaEntity> {
    const row = await this.dataSource.getRepository(QuotaEntity).findOneBy({ id });
    const team = row && (row.team ?? (await this.teamOf(row.client_id)));
    if (row && mayIn(caller, team, 'quotas:read')) return row;
    throw quotaNotFound(id);
  }

  private async teamOf(clientId: string | null): Promise<string | null> {
    if (clientId === null) return null;
    const client = await this.dataSource.getRepository(ClientEntity).findOneBy({ client_id: clientId });
    return client?.team ?? null;
  }
}
