/** Resumable uploads as they are listed, and versions made of them: several finished uploads become one version in one transaction. */
import type { Page } from '#contracts/common';
import type { Version, VersionFile } from '#contracts/models';
import { allows } from '#contracts/scopes';
import type { CreateVersionFromUploads, ListUploads, Upload } from '#contracts/uploads';
import { UploadEntity } from '#database/entities/upload.entity';
import { VersionEntity } from '#database/entities/version.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, In, LessThan } from 'typeorm';
import type { z } from 'zod';
import { z as schema } from 'zod';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { JobQueue } from '../jobs/job-queue.js';
import { findModel, lockModel, requireUnarchived } from '../models/model-lookup.js';
import { planVersion, refuseClash } from '../versions/upload-plan.js';
import { UploadsService, insertVersion } from '../versions/uploads.service.js';
import { viewVersion } from '../versions/version-lookup.js';
import { UploadBytes } from './upload-bytes.js';
import { requireOwn } from './upload-owner.js';
import { findUpload, uploadNotFound } from './upload-rows.js';
import { toUpload } from './uploads.mapper.js';

const PageKey = schema.tuple([schema.uuid()]);

@Injectable()
export class ResumableUploads {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly jobs: JobQueue,
    private readonly bytes: UploadBytes,
    private readonly versions: UploadsService,
  ) {}

  async list(query: z.output<typeof ListUploads>, caller: Caller): Promise<Page<Upload>> {
    const before = decodePageToken(query.page_token, PageKey);
    const rows = await this.dataSource.manager.find(UploadEntity, {
      where: {
        ...(allows(caller.scopes, 'admin') ? {} : { created_by: caller.subject }),
        ...(before ? { id: LessThan(before[0]) } : {}),
      },
      order: { id: 'DESC' },
      take: query.page_size + 1,
    });
    const page = toPage(rows, query.page_size, (row) => [row.id]);
    return { ...page, items: page.items.map(toUpload) };
  }

  async read(id: string, caller: Caller): Promise<Upload> {
    const row = await findUpload(this.dataSource.manager, id);
    requireOwn(row, caller);
    return toUpload(row);
  }

  async commit(modelName: string, input: CreateVersionFromUploads, caller: Caller): Promise<Version> {
    requireUnarchived(await findModel(this.dataSource.manager, modelName));
    const { uploads, ...metadata } = input;
    await this.versions.requireRun(metadata.run_id);
    const files = await this.#finish(uploads, caller);
    const entryFile = planVersion(files, metadata);
    const ids = [...new Set(uploads.map((upload) => upload.upload_id))].toSorted();
    const version = await this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      const made = await versionMadeOf(tx, ids);
      if (made?.model_id === model.id) return viewVersion(tx.manager, model, made);
      if (made) throw usedElsewhere();
      const inserted = await insertVersion(tx, modelName, { entryFile }, { files, metadata }, caller);
      await tx.manager.update(UploadEntity, { id: In(ids) }, { version_id: inserted.id });
      return inserted;
    });
    await this.jobs.lookAgain('placement');
    return version;
  }

  async #finish(uploads: CreateVersionFromUploads['uploads'], caller: Caller): Promise<VersionFile[]> {
    const files = new Map<string, VersionFile>();
    for (const { path, upload_id: id } of uploads) {
      refuseClash(path, files);
      requireOwn(await findUpload(this.dataSource.manager, id), caller);
      const { artifact_sha256: sha256, size_bytes } = await this.bytes.finish(id);
      if (sha256 === null) throw new Error(`upload ${id} is finished and has no artifact`);
      files.set(path, { path, sha256, size_bytes });
    }
    return [...files.values()];
  }
}

/**
 * The version that was made of exactly these uploads before, when the answer to it got lost. Locks them.
 * @throws SluiceError UPLOAD_CONFLICT when some of them are another version's
 */
async function versionMadeOf(tx: WriteContext, ids: readonly string[]): Promise<VersionEntity | null> {
  const rows = await tx.manager.find(UploadEntity, {
    where: { id: In([...ids]) },
    order: { id: 'ASC' },
    lock: { mode: 'pessimistic_write' },
  });
  const gone = ids.find((id) => !rows.some((row) => row.id === id));
  if (gone !== undefined) throw uploadNotFound(gone);
  const [versionId, ...others] = [...new Set(rows.map((row) => row.version_id))];
  if (versionId === undefined || others.length > 0) throw usedElsewhere();
  if (versionId === null) return null;
  const count = await tx.manager.countBy(UploadEntity, { version_id: versionId });
  if (count !== rows.length) throw usedElsewhere();
  return tx.manager.findOneByOrFail(VersionEntity, { id: versionId });
}

const usedElsewhere = (): SluiceError =>
  new SluiceError(
    'UPLOAD_CONFLICT',
    'Some of these uploads belong to another version already. Upload again.',
  );
