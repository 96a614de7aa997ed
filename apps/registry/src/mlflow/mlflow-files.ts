/**
 * The files behind `mlflow-artifacts:/`. Those of runs and logged models can be written, replaced and deleted; below
 * `versions/<id>/` lie the files of registered versions, which never change.
 */
import type { IncomingMessage } from 'node:http';
import type { ArtifactStore, StoredArtifact } from '#artifacts/artifact-store';
import { FilePath } from '#contracts/models';
import type { VersionFile } from '#contracts/models';
import { allows } from '#contracts/scopes';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { ARTIFACT_STORE } from '../artifacts/artifact-store.token.js';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import type { Caller } from '../http/caller.js';
import { openBody, refuseAnnouncedLength } from '../versions/request-body.js';
import { fromHex } from './fields.js';
import { onnxMlModel } from './mlmodel.js';

/** A file in the store, or one that the registry makes up. */
export type FoundFile = { readonly sha256: string; readonly path: string } | { readonly text: string };

const versionPath = /^versions\/([0-9a-f]{32})(?:\/(.+))?$/;
const writablePath = /^(?:0|[0-9a-f]{32})\/(?:([0-9a-f]{32})|models\/m-([0-9a-f]{32}))\/artifacts\/./;

@Injectable()
export class MlflowFiles {
  constructor(
    private readonly dataSource: DataSource,
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** Stores the body of `request` under `path`; what was there before is replaced. */
  async put(path: string, request: IncomingMessage, caller: Caller): Promise<void> {
    await this.requireWritable(path, caller);
    const maxBytes = this.config.SLUICE_MAX_UPLOAD_BYTES;
    refuseAnnouncedLength(request, maxBytes);
    const body = openBody(request);
    try {
      await this.record(path, await this.store.write(body, { maxBytes }));
    } finally {
      body.destroy();
    }
  }

  /** From now on these bytes lie under `path`. */
  async record(path: string, { sha256 }: Pick<StoredArtifact, 'sha256'>): Promise<void> {
    await this.dataSource.manager.query(
      `INSERT INTO mlflow_files (path, sha256, updated_at) VALUES ($1, $2, now())
       ON CONFLICT (path) DO UPDATE SET sha256 = excluded.sha256, updated_at = excluded.updated_at`,
      [path, sha256],
    );
  }

  /** @throws SluiceError FORBIDDEN, or INVALID_REQUEST unless the path lies below a run or logged model that exists */
  async requireWritable(path: string, caller: Caller): Promise<void> {
    requireScope(caller, 'runs:write');
    await this.requireOwner(FilePath.safeParse(path).data ?? '');
  }

  /** Deletes a file, or a folder with all that is in it. */
  async remove(path: string, caller: Caller): Promise<void> {
    requireScope(caller, 'runs:write');
    await this.requireOwner(path);
    await this.dataSource.manager.query(
      'DELETE FROM mlflow_files WHERE path = $1 OR (path >= $2 AND path < $3)',
      [path, ...below(path)],
    );
  }

  /** @throws SluiceError ARTIFACT_NOT_FOUND */
  async find(path: string, caller: Caller): Promise<FoundFile> {
    const version = versionPath.exec(path);
    requireScope(caller, version ? 'models:read' : 'runs:read');
    if (version) return this.findInVersion(version[1] ?? '', version[2] ?? '');
    const [row] = await this.dataSource.manager.query<{ sha256: string }[]>(
      'SELECT sha256 FROM mlflow_files WHERE path = $1',
      [path],
    );
    if (row) return { sha256: row.sha256, path };
    throw fileNotFound(path);
  }

  /** What lies directly in a folder, with paths relative to it. */
  async list(folder: string, caller: Caller): Promise<ListedFile[]> {
    requireScope(caller, versionPath.test(folder) ? 'models:read' : 'runs:read');
    const path = folder.replace(/\/+$/, '');
    const version = versionPath.exec(path);
    if (!version) return children(await filesBelow(this.dataSource.manager, path), '');
    const { files, entryFile } = await this.versionFiles(version[1] ?? '');
    const made = hasMlModel(files)
      ? []
      : [{ path: 'MLmodel', size_bytes: Buffer.byteLength(onnxMlModel(entryFile)) }];
    return children([...files, ...made], version[2] === undefined ? '' : `${version[2]}/`);
  }

  private async findInVersion(hex: string, path: string): Promise<FoundFile> {
    const { files, entryFile } = await this.versionFiles(hex);
    const file = files.find((one) => one.path === path);
    if (file) return file;
    if (path === 'MLmodel' && !hasMlModel(files)) return { text: onnxMlModel(entryFile) };
    throw fileNotFound(path);
  }

  private async versionFiles(hex: string): Promise<{ files: VersionFile[]; entryFile: string }> {
    const rows = await this.dataSource.manager.query<(VersionFile & { entry_file: string })[]>(
      `SELECT f.path, f.sha256, a.size_bytes::float8, v.entry_file FROM version_files f
       JOIN artifacts a ON a.sha256 = f.sha256 JOIN versions v ON v.id = f.version_id
       WHERE f.version_id = $1 ORDER BY f.path`,
      [fromHex(hex)],
    );
    return { files: rows, entryFile: rows[0]?.entry_file ?? '' };
  }

  /** Only what belongs to a run or logged model can be written. */
  private async requireOwner(path: string): Promise<void> {
    const [, run, model] = writablePath.exec(path) ?? [];
    const hex = run ?? model;
    const table = run === undefined ? 'logged_models' : 'runs';
    const owners =
      hex === undefined
        ? []
        : await this.dataSource.manager.query<unknown[]>(
            `SELECT 1 FROM ${table} WHERE id = $1 AND deleted_at IS NULL`,
            [fromHex(hex)],
          );
    if (owners.length > 0) return;
    throw new SluiceError(
      'INVALID_REQUEST',
      'Invalid path: artifacts are written below the artifact_uri of a run or logged model that exists.',
    );
  }
}

/** All files below a folder of runs or logged models; paths are relative to it. */
export async function filesBelow(manager: EntityManager, folder: string): Promise<VersionFile[]> {
  const rows = await manager.query<VersionFile[]>(
    `SELECT f.path, f.sha256, a.size_bytes::float8 FROM mlflow_files f JOIN artifacts a ON a.sha256 = f.sha256
     WHERE f.path >= $1 AND f.path < $2 ORDER BY f.path`,
    below(folder),
  );
  return rows.map((row) => ({ ...row, path: row.path.slice(folder.length + 1) }));
}

export interface ListedFile {
  readonly path: string;
  readonly is_dir: boolean;
  readonly file_size?: number;
}

/** The files and folders directly below `prefix`, which ends in a slash or is empty. */
export function children(
  files: readonly Pick<VersionFile, 'path' | 'size_bytes'>[],
  prefix: string,
): ListedFile[] {
  const listed = new Map<string, ListedFile>();
  for (const { path, size_bytes } of files.filter((file) => file.path.startsWith(prefix))) {
    const [name = '', ...rest] = path.slice(prefix.length).split('/');
    if (rest.length === 0) listed.set(name, { path: name, is_dir: false, file_size: size_bytes });
    else if (!listed.has(name)) listed.set(name, { path: name, is_dir: true });
  }
  return [...listed.values()].toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

/** Bounds of the paths below a folder: "0" is the character after "/". */
const below = (folder: string): [from: string, to: string] => [`${folder}/`, `${folder}0`];

const hasMlModel = (files: readonly VersionFile[]): boolean => files.some(({ path }) => path === 'MLmodel');

function requireScope(caller: Caller, scope: 'runs:read' | 'runs:write' | 'models:read'): void {
  if (!allows(caller.scopes, scope))
    throw new SluiceError('FORBIDDEN', `The token needs the scope "${scope}".`);
}

const fileNotFound = (path: string): SluiceError =>
  new SluiceError('ARTIFACT_NOT_FOUND', `There is no artifact '${path.slice(0, 200)}'.`);
