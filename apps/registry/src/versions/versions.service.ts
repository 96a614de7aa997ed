/** Versions as they are read, downloaded and archived. Their bytes and numbers never change after the upload. */
import type { Page } from '#contracts/common';
import type { ListVersions, Version } from '#contracts/models';
import { VersionEntity, VersionFileEntity } from '#database/entities/version.entity';
import { Transactions } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, IsNull, LessThan, Not } from 'typeorm';
import { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { JobQueue } from '../jobs/job-queue.js';
import { requireReady } from '../endpoints/traffic-targets.js';
import { findModel, lockModel, requireUnarchived } from '../models/model-lookup.js';
import { findVersion, viewVersion, viewVersions } from './version-lookup.js';
import {
  archiveVersion,
  deleteVersion,
  requireArchived,
  requireConfirmation,
  requireUnused,
  restoreVersion,
} from './version-removal.js';

const PageKey = z.tuple([z.int()]);

/** Where a version is found. */
export interface VersionAddress {
  readonly model: string;
  readonly version: number;
}

@Injectable()
export class VersionsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly jobs: JobQueue,
  ) {}

  async list(modelName: string, query: z.output<typeof ListVersions>): Promise<Page<Version>> {
    const { manager } = this.dataSource;
    const before = decodePageToken(query.page_token, PageKey);
    const model = await findModel(manager, modelName);
    const rows = await manager.find(VersionEntity, {
      where: {
        model_id: model.id,
        ...(before ? { number: LessThan(before[0]) } : {}),
        ...(query.status ? { status: query.status } : {}),
        ...(query.archived === 'any'
          ? {}
          : { archived_at: query.archived === 'true' ? Not(IsNull()) : IsNull() }),
      },
      order: { number: 'DESC' },
      take: query.page_size + 1,
    });
    const page = toPage(rows, query.page_size, (row) => [row.number]);
    return { ...page, items: await viewVersions(manager, model, page.items) };
  }

  async read({ model: modelName, version }: VersionAddress): Promise<Version> {
    const { manager } = this.dataSource;
    const model = await findModel(manager, modelName);
    return viewVersion(manager, model, await findVersion(manager, model, version));
  }

  /** The artifact behind a path of the version; without a path, the entry file's. */
  async findFile(
    address: VersionAddress,
    path: string | undefined,
  ): Promise<{ path: string; sha256: string }> {
    const { manager } = this.dataSource;
    const model = await findModel(manager, address.model);
    const version = await findVersion(manager, model, address.version);
    const wanted = path ?? version.entry_file;
    const file = await manager.findOneBy(VersionFileEntity, { version_id: version.id, path: wanted });
    if (file) return { path: file.path, sha256: file.sha256 };
    const where = `Version ${version.number} of "${model.name}"`;
    throw new SluiceError(
      'ARTIFACT_NOT_FOUND',
      `${where} has no file "${wanted}". Reading the version lists its files.`,
    );
  }

  async archive({ model: modelName, version: number }: VersionAddress, caller: Caller): Promise<Version> {
    const version = await this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      const row = await findVersion(tx.manager, model, number);
      const before = await viewVersion(tx.manager, model, row);
      if (row.archived_at) return before;
      await archiveVersion(tx, model, row);
      return viewVersion(tx.manager, model, row);
    });
    await this.jobs.lookAgain('placement');
    return version;
  }

  async restore({ model: modelName, version: number }: VersionAddress, caller: Caller): Promise<Version> {
    const version = await this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      requireUnarchived(model);
      const row = await findVersion(tx.manager, model, number);
      if (row.archived_at) await restoreVersion(tx, model, row);
      return viewVersion(tx.manager, model, row);
    });
    await this.jobs.lookAgain('placement');
    return version;
  }

  /** For good; the number is never given again. */
  async remove(
    { model: modelName, version: number }: VersionAddress,
    confirm: string | undefined,
    caller: Caller,
  ): Promise<void> {
    requireConfirmation(confirm, `${modelName}/${number}`);
    await this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      const row = await findVersion(tx.manager, model, number);
      requireArchived(`Version ${number} of "${modelName}"`, row.archived_at);
      await deleteVersion(tx, model, row);
    });
  }

  /** Whether a version stays on a node while nothing refers to it. A version that is not checked yet is held in any case. */
  async hold({ model: modelName, version: number }: VersionAddress, held: boolean, caller: Caller) {
    const version = await this.transactions.write(caller, async (tx): Promise<Version> => {
      const model = await lockModel(tx.manager, modelName);
      if (held) requireUnarchived(model);
      const row = await findVersion(tx.manager, model, number);
      requireReady(model.name, row);
      const before = await viewVersion(tx.manager, model, row);
      if (row.held === held) return before;
      if (!held) await requireUnused(tx.manager, row);
      await tx.manager.update(VersionEntity, { id: row.id }, { held });
      const after = { ...before, held };
      const action = held ? 'version.load' : 'version.unload';
      await tx.audit({ action, subject: `models/${model.name}/versions/${number}`, before, after });
      return after;
    });
    await this.jobs.lookAgain('placement');
    return version;
  }
}
