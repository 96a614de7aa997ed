/**
 * New versions. The body is received and stored outside any transaction; then one short transaction allots the number
 * and writes every row, so that an upload that breaks off anywhere leaves no version and no gap.
 */
import type { IncomingMessage } from 'node:http';
import type { ArtifactStore } from '#artifacts/artifact-store';
import type { CreateVersion, UploadQuery, Version, VersionStatus } from '#contracts/models';
import { ModelEntity } from '#database/entities/model.entity';
import { RunEntity } from '#database/entities/run.entity';
import { ConfigRevisionEntity, VersionEntity, VersionFileEntity } from '#database/entities/version.entity';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { z } from 'zod';
import { ARTIFACT_STORE } from '../artifacts/artifact-store.token.js';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { Creations } from '../creations/creations.js';
import type { Caller } from '../http/caller.js';
import { addAttestation } from '../integrity/attestations.js';
import { JobQueue } from '../jobs/job-queue.js';
import { findModel, lockModel, requireUnarchived } from '../models/model-lookup.js';
import { receiveUpload } from './receive-upload.js';
import type { ReceivedUpload } from './receive-upload.js';
import { planVersion } from './upload-plan.js';
import { viewVersion } from './version-lookup.js';
import { VersionsService } from './versions.service.js';

@Injectable()
export class UploadsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly creations: Creations,
    private readonly versions: VersionsService,
    private readonly jobs: JobQueue,
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  async upload(
    model: string,
    query: z.output<typeof UploadQuery>,
    request: IncomingMessage,
    caller: Caller,
  ): Promise<Version> {
    const limits = { maxBytes: this.config.SLUICE_MAX_UPLOAD_BYTES };
    const admit = () => this.admit(model, query.run_id);
    const received = await receiveUpload(request, query, this.store, limits, admit);
    const entryFile = planVersion(received.files, received.metadata);
    await this.requireRun(received.metadata.run_id);
    const version = await this.creations.answer(caller, {
      make: (tx) => insertVersion(tx, model, { entryFile }, received, caller),
      nameOf: (made) => String(made.version),
      read: (number) => this.versions.read({ model, version: Number(number) }),
    });
    await this.jobs.lookAgain('placement');
    return version;
  }

  /** What can be refused before gigabytes have been sent. */
  private async admit(model: string, runId: string | undefined): Promise<void> {
    requireUnarchived(await findModel(this.dataSource.manager, model));
    await this.requireRun(runId);
  }

  /** @throws SluiceError RUN_NOT_FOUND */
  async requireRun(runId: string | undefined): Promise<void> {
    if (runId === undefined || (await this.dataSource.manager.existsBy(RunEntity, { id: runId }))) return;
    throw new SluiceError('RUN_NOT_FOUND', `There is no run ${runId}.`);
  }
}

/** What a version is loaded from, or why it cannot be. */
export interface VersionPlan {
  readonly entryFile: string;
  /** The version is kept, but FAILED from the start for this reason. */
  readonly notServable?: string | undefined;
  /** There are no files: external nodes alone serve it. */
  readonly isExternal?: boolean;
}

function statusOf({ notServable, isExternal }: VersionPlan): VersionStatus {
  if (notServable !== undefined) return 'FAILED';
  return isExternal === true ? 'READY' : 'PENDING';
}

/** Allots the number and writes every row of a version whose files are in the store. */
export async function insertVersion(
  tx: WriteContext,
  modelName: string,
  plan: VersionPlan,
  { files, metadata }: ReceivedUpload,
  caller: Caller,
): Promise<Version> {
  const model = await lockModel(tx.manager, modelName);
  requireUnarchived(model);
  const row = newVersion(model, plan, metadata, caller);
  await tx.manager.update(ModelEntity, { id: model.id }, { next_version: row.number + 1 });
  await tx.manager.insert(VersionEntity, row);
  await insertFiles(tx, row.id, files);
  await tx.manager.insert(ConfigRevisionEntity, {
    version_id: row.id,
    revision: row.config_revision,
    config: metadata.config,
    created_at: row.created_at,
    created_by: caller.subject,
  });
  if (metadata.attestation) await addAttestation(tx, model, row, metadata.attestation, caller);
  const version = await viewVersion(tx.manager, model, row);
  await tx.audit({
    action: 'version.create',
    subject: `models/${model.name}/versions/${row.number}`,
    after: version,
  });
  return version;
}

const newVersion = (
  model: ModelEntity,
  plan: VersionPlan,
  metadata: CreateVersion,
  caller: Caller,
): VersionEntity => ({
  id: uuidv7(),
  model_id: model.id,
  number: model.next_version,
  status: statusOf(plan),
  status_reason: plan.notServable ?? null,
  description: metadata.description,
  tags: metadata.tags,
  entry_file: plan.entryFile,
  external: plan.isExternal ?? false,
  signature: null,
  profile: null,
  run_id: metadata.run_id ?? null,
  held: true,
  config_revision: 1,
  archived_at: null,
  created_at: new Date(),
  created_by: caller.subject,
});

/** The rows of the artifacts are there: the store claimed them before it kept the bytes. */
async function insertFiles(
  tx: WriteContext,
  versionId: string,
  files: ReceivedUpload['files'],
): Promise<void> {
  const rows = files.map(({ path, sha256 }) => ({ version_id: versionId, path, sha256 }));
  if (rows.length === 0) return;
  await tx.manager.insert(VersionFileEntity, rows);
}
