/** How versions run. A change makes a new revision; the version itself stays what it was. */
import { isDeepStrictEqual } from 'node:util';
import type { Page } from '#contracts/common';
import type { HistoryQuery } from '#contracts/endpoints';
import type { ConfigRevision, VersionConfig } from '#contracts/models';
import type { ModelEntity } from '#database/entities/model.entity';
import { ConfigRevisionEntity, VersionEntity } from '#database/entities/version.entity';
import { Transactions } from '#database/transactions';
import { Injectable } from '@nestjs/common';
import { DataSource, LessThan } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { JobQueue } from '../jobs/job-queue.js';
import { findModel, lockModel } from '../models/model-lookup.js';
import { findVersion } from './version-lookup.js';
import { toConfigRevision } from './versions.mapper.js';
import type { VersionAddress } from './versions.service.js';

const PageKey = z.tuple([z.int()]);

@Injectable()
export class ConfigsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly jobs: JobQueue,
  ) {}

  async read(address: VersionAddress): Promise<ConfigRevision> {
    const { manager } = this.dataSource;
    const model = await findModel(manager, address.model);
    return toConfigRevision(await configInForce(manager, model, address.version));
  }

  /** The config that is in force already makes no new revision: nodes would reload the version for nothing. */
  async put(address: VersionAddress, config: VersionConfig, caller: Caller): Promise<ConfigRevision> {
    const revision = await this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, address.model);
      const current = await configInForce(tx.manager, model, address.version);
      if (isDeepStrictEqual(current.config, config)) return toConfigRevision(current);
      const next: ConfigRevisionEntity = {
        version_id: current.version_id,
        revision: current.revision + 1,
        config,
        created_at: new Date(),
        created_by: caller.subject,
      };
      await tx.manager.insert(ConfigRevisionEntity, next);
      await tx.manager.update(VersionEntity, { id: next.version_id }, { config_revision: next.revision });
      const subject = `models/${model.name}/versions/${address.version}/config`;
      const [before, after] = [toConfigRevision(current), toConfigRevision(next)];
      await tx.audit({ action: 'config.put', subject, before, after });
      tx.routingChanged();
      return after;
    });
    await this.jobs.lookAgain('placement');
    return revision;
  }

  async list(address: VersionAddress, query: z.output<typeof HistoryQuery>): Promise<Page<ConfigRevision>> {
    const { manager } = this.dataSource;
    const before = decodePageToken(query.page_token, PageKey);
    const model = await findModel(manager, address.model);
    const { id } = await findVersion(manager, model, address.version);
    const rows = await manager.find(ConfigRevisionEntity, {
      where: { version_id: id, ...(before ? { revision: LessThan(before[0]) } : {}) },
      order: { revision: 'DESC' },
      take: query.page_size + 1,
    });
    return toPage(rows.map(toConfigRevision), query.page_size, (row) => [row.revision]);
  }
}

async function configInForce(
  manager: EntityManager,
  model: Pick<ModelEntity, 'id' | 'name'>,
  number: number,
): Promise<ConfigRevisionEntity> {
  const version = await findVersion(manager, model, number);
  const where = { version_id: version.id, revision: version.config_revision };
  return manager.findOneByOrFail(ConfigRevisionEntity, where);
}
