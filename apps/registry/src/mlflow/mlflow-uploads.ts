/**
 * Files that arrive in parts (MLflow's multipart upload), on any store. A part is sent to an address that the caller was given:
 * it holds a secret of this upload and takes no token, because the client sends none there. Parts may come in any order, again and at once.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { basename, posix } from 'node:path';
import { Readable } from 'node:stream';
import type { ArtifactStore } from '#artifacts/artifact-store';
import { MlflowUploadEntity } from '#database/entities/mlflow.entity';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { ARTIFACT_STORE } from '../artifacts/artifact-store.token.js';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import type { Caller } from '../http/caller.js';
import { openBody, refuseAnnouncedLength } from '../versions/request-body.js';
import { MlflowFiles } from './mlflow-files.js';
import { parseFields } from './operation.js';

const lifetimeMs = 24 * 60 * 60 * 1_000;
const FileName = z.string().min(1).max(1_000);
const Create = z.object({ path: FileName, num_parts: z.coerce.number().int().min(1).max(10_000) });
const OfUpload = z.object({ path: FileName, upload_id: z.uuid() });
const Complete = OfUpload.extend({
  parts: z.array(z.object({ part_number: z.coerce.number().int(), etag: z.string() })).max(10_000),
});

interface PartRow {
  readonly number: number;
  readonly sha256: string;
}

@Injectable()
export class MlflowUploads {
  constructor(
    private readonly dataSource: DataSource,
    private readonly files: MlflowFiles,
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** @param partsUrl the address of the parts, as the client reaches it */
  async create(
    folder: string,
    fields: Readonly<Record<string, unknown>>,
    partsUrl: string,
    caller: Caller,
  ): Promise<object> {
    const { path, num_parts: parts } = parseFields(Create, fields);
    const target = targetOf(folder, path);
    await this.files.requireWritable(target, caller);
    const secret = randomBytes(32).toString('base64url');
    const row: MlflowUploadEntity = {
      id: uuidv7(),
      path: target,
      parts,
      secret_sha256: sha256Of(secret),
      sha256: null,
      created_at: new Date(),
    };
    const { manager } = this.dataSource;
    await manager.query('DELETE FROM mlflow_uploads WHERE created_at < $1', [oldest()]);
    await manager.insert(MlflowUploadEntity, row);
    const credentials = Array.from({ length: parts }, (_, i) => ({
      url: `${partsUrl}/${row.id}/${i + 1}?secret=${secret}`,
      part_number: i + 1,
      headers: {},
    }));
    return { upload_id: row.id, credentials };
  }

  /** @returns the digest of the part. @throws SluiceError FORBIDDEN for another secret */
  async putPart(uploadId: string, number: number, secret: string, request: IncomingMessage): Promise<string> {
    const upload = await this.find(uploadId);
    if (!timingSafeEqual(Buffer.from(sha256Of(secret)), Buffer.from(upload?.secret_sha256 ?? sha256Of(''))))
      throw new SluiceError('FORBIDDEN', 'This is not an address that was given for an upload.');
    if (upload === undefined) throw uploadNotFound(uploadId);
    if (!Number.isInteger(number) || number < 1 || number > upload.parts)
      throw new SluiceError('INVALID_REQUEST', `The upload has the parts 1 to ${upload.parts}.`);
    const maxBytes = this.config.SLUICE_MAX_UPLOAD_BYTES;
    refuseAnnouncedLength(request, maxBytes);
    const body = openBody(request);
    try {
      const { sha256 } = await this.store.write(body, { maxBytes });
      await this.dataSource.manager.query(
        `INSERT INTO mlflow_upload_parts (upload_id, number, sha256) VALUES ($1, $2, $3)
         ON CONFLICT (upload_id, number) DO UPDATE SET sha256 = excluded.sha256`,
        [uploadId, number, sha256],
      );
      return sha256;
    } finally {
      body.destroy();
    }
  }

  /** Puts the parts together. Safe to repeat. */
  async complete(folder: string, fields: Readonly<Record<string, unknown>>, caller: Caller): Promise<void> {
    const input = parseFields(Complete, fields);
    const upload = await this.owned(folder, input, caller);
    if (upload.sha256 !== null) return;
    const rows = await this.dataSource.manager.query<PartRow[]>(
      'SELECT number, sha256 FROM mlflow_upload_parts WHERE upload_id = $1 ORDER BY number',
      [upload.id],
    );
    requireComplete(upload, rows, input.parts);
    const whole = Readable.from(this.read(rows));
    const stored = await this.store.write(whole, { maxBytes: this.config.SLUICE_MAX_UPLOAD_BYTES });
    await this.files.record(upload.path, stored);
    await this.dataSource.transaction(async (manager) => {
      await manager.update(MlflowUploadEntity, { id: upload.id }, { sha256: stored.sha256 });
      await manager.query('DELETE FROM mlflow_upload_parts WHERE upload_id = $1', [upload.id]);
    });
  }

  /** Forgets the upload. Safe to repeat. */
  async abort(folder: string, fields: Readonly<Record<string, unknown>>, caller: Caller): Promise<void> {
    const input = parseFields(OfUpload, fields);
    await this.files.requireWritable(targetOf(folder, input.path), caller);
    await this.dataSource.manager.query(
      'DELETE FROM mlflow_uploads WHERE id = $1 AND path = $2 AND sha256 IS NULL',
      [input.upload_id, targetOf(folder, input.path)],
    );
  }

  private async *read(rows: readonly PartRow[]): AsyncGenerator {
    for (const { sha256 } of rows) yield* await this.store.open(sha256);
  }

  private async owned(
    folder: string,
    { path, upload_id }: z.output<typeof OfUpload>,
    caller: Caller,
  ): Promise<MlflowUploadEntity> {
    const target = targetOf(folder, path);
    await this.files.requireWritable(target, caller);
    const upload = await this.find(upload_id);
    if (upload?.path === target) return upload;
    throw uploadNotFound(upload_id);
  }

  private async find(id: string): Promise<MlflowUploadEntity | undefined> {
    const [row] = await this.dataSource.manager.query<MlflowUploadEntity[]>(
      'SELECT * FROM mlflow_uploads WHERE id = $1 AND created_at >= $2',
      [z.uuid().safeParse(id).data ?? null, oldest()],
    );
    return row;
  }
}

const oldest = (): Date => new Date(Date.now() - lifetimeMs);
const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The client names the file by its path on its own machine. */
const targetOf = (folder: string, path: string): string => posix.join(folder, basename(path));

/** @throws SluiceError UPLOAD_INCOMPLETE or DIGEST_MISMATCH */
function requireComplete(
  upload: MlflowUploadEntity,
  rows: readonly PartRow[],
  sent: z.output<typeof Complete>['parts'],
): void {
  const missing = Array.from({ length: upload.parts }, (_, i) => i + 1).find(
    (n) => rows[n - 1]?.number !== n,
  );
  if (missing !== undefined)
    throw new SluiceError('UPLOAD_INCOMPLETE', `Part ${missing} of ${upload.parts} has not arrived.`);
  const other = sent.find(
    ({ part_number, etag }) => rows[part_number - 1]?.sha256 !== etag.replaceAll('"', ''),
  );
  if (other !== undefined)
    throw new SluiceError('DIGEST_MISMATCH', `Part ${other.part_number} is not the one with this etag.`);
}

const uploadNotFound = (id: string): SluiceError =>
  new SluiceError('ARTIFACT_NOT_FOUND', `There is no upload ${id.slice(0, 100)}, or it is older than a day.`);
