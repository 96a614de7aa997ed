/**
 * Where a registered version's files come from. Only what this registry holds is taken: a path or an address elsewhere
 * would let a caller read the server's files or network.
 */
import type { ArtifactStore } from '#artifacts/artifact-store';
import type { VersionFile } from '#contracts/models';
import { LoggedModelEntity } from '#database/entities/mlflow.entity';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { text } from 'node:stream/consumers';
import { DataSource, IsNull } from 'typeorm';
import { ARTIFACT_STORE } from '../artifacts/artifact-store.token.js';
import type { VersionPlan } from '../versions/uploads.service.js';
import { VersionsService } from '../versions/versions.service.js';
import { LoggedModelOperations } from './logged-models.operations.js';
import { filesBelow } from './mlflow-files.js';
import { readMlModel } from './mlmodel.js';
import { runArtifactRoot } from './run-rows.js';
import { RunOperations } from './runs.operations.js';
import { runIdOf } from './fields.js';

export interface VersionSource {
  readonly files: readonly VersionFile[];
  readonly plan: VersionPlan;
  readonly runId: string | null;
  readonly loggedModelId: string | null;
}
type Origin = Pick<VersionSource, 'files'> & Partial<Pick<VersionSource, 'runId' | 'loggedModelId'>>;

/** An MLmodel file is small; what is larger is not one. */
const maxMlModelBytes = 4 * 2 ** 20;

@Injectable()
export class VersionSources {
  constructor(
    private readonly dataSource: DataSource,
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    private readonly runs: RunOperations,
    private readonly loggedModels: LoggedModelOperations,
    private readonly versions: VersionsService,
  ) {}

  /** @throws SluiceError when there is no such source, or it is of a kind that is not taken */
  async resolve(source: string): Promise<VersionSource> {
    const { files, runId = null, loggedModelId = null } = await this.find(source);
    if (files.length === 0)
      throw new SluiceError('INVALID_REQUEST', `The source '${source}' holds no files. Log the model first.`);
    return { files, plan: await this.plan(files), runId, loggedModelId };
  }

  private async find(source: string): Promise<Origin> {
    const { manager } = this.dataSource;
    const logged = /^models:\/(m-[0-9a-f]{32})\/?$/.exec(source)?.[1];
    if (logged !== undefined) return this.findLogged(await this.loggedModels.find(logged));
    const [, model, number] = /^models:\/([^/@]+)\/([1-9]\d{0,8})$/.exec(source) ?? [];
    if (model !== undefined) {
      const version = await this.versions.read({ model: decodeURIComponent(model), version: Number(number) });
      return { files: version.files, runId: version.run_id };
    }
    const [, run, path = ''] = /^runs:\/+([0-9a-f]{32})(?:\/(.*))?$/.exec(source) ?? [];
    if (run !== undefined) return this.findOfRun(runIdOf({ run_id: run }), path);
    const stored = /^mlflow-artifacts:(?:\/\/[^/]+)?\/+(.+)$/.exec(source)?.[1];
    if (stored !== undefined) return { files: await filesBelow(manager, joined(stored, '')) };
    throw new SluiceError(
      'INVALID_REQUEST',
      `Invalid model version source: '${source.slice(0, 200)}'. Only runs:/, models:/ and mlflow-artifacts:/ of this registry are taken.`,
    );
  }

  /** Clients of MLflow 3 keep the files of a run's model with the logged model, and go on naming them by the run. */
  private async findOfRun(runId: string, path: string): Promise<Origin> {
    const { manager } = this.dataSource;
    const run = await this.runs.row(runId);
    const files = await filesBelow(manager, joined(runArtifactRoot(run), path));
    if (files.length > 0 || path === '') return { files, runId };
    const row = await manager.findOne(LoggedModelEntity, {
      where: { run_id: runId, name: path.replace(/\/+$/, ''), deleted_at: IsNull() },
      order: { created_at: 'DESC' },
    });
    return row === null ? { files, runId } : this.findLogged(row);
  }

  private async findLogged(row: LoggedModelEntity): Promise<Origin> {
    const root = await this.loggedModels.rootOf(row);
    return {
      files: await filesBelow(this.dataSource.manager, root),
      runId: row.run_id,
      loggedModelId: row.id,
    };
  }

  private async plan(files: readonly VersionFile[]): Promise<VersionPlan> {
    const mlModel = files.find(({ path }) => path === 'MLmodel');
    if (!mlModel || mlModel.size_bytes > maxMlModelBytes) return planOf(files, undefined);
    return planOf(files, await text(await this.store.open(mlModel.sha256)));
  }
}

/** Which file is loaded, or why none can be. */
export function planOf(
  files: readonly Pick<VersionFile, 'path'>[],
  mlModelText: string | undefined,
): VersionPlan {
  const { flavors, onnxFile } = readMlModel(mlModelText ?? '');
  const models = files.filter(({ path }) => path.toLowerCase().endsWith('.onnx'));
  const entryFile = onnxFile ?? (flavors.length === 0 && models.length === 1 ? models[0]?.path : undefined);
  if (entryFile !== undefined && files.some(({ path }) => path === entryFile)) return { entryFile };
  const kept = mlModelText === undefined ? (files[0]?.path ?? '') : 'MLmodel';
  const found = flavors.length === 0 ? 'no flavour is known' : `its flavours are ${flavors.join(', ')}`;
  return {
    entryFile: kept,
    notServable: `Stored, but not servable: ${found}, and only onnx can be served. Export the model to ONNX and log it with mlflow.onnx.log_model.`,
  };
}

const joined = (root: string, path: string): string => `${root}/${path}`.replace(/\/+$/, '');
