/** Rows that other features would write, for tests of the features that only read them. */
import { noTraffic } from '#contracts/endpoints';
import { retryDeadlocks } from '#database/transactions';
import type { VersionConfig } from '#contracts/models';
import { VersionConfig as VersionConfigSchema } from '#contracts/models';
import { EndpointEntity, TrafficTargetEntity } from '#database/entities/endpoint.entity';
import { ModelEntity } from '#database/entities/model.entity';
import {
  AliasEntity,
  ArtifactEntity,
  ConfigRevisionEntity,
  VersionEntity,
  VersionFileEntity,
} from '#database/entities/version.entity';
import { createHash } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';

export interface SeededVersion {
  readonly id: string;
  readonly modelId: string;
  readonly model: string;
  readonly number: number;
}

/** A PENDING version of a model that is made if need be. */
export async function seedVersion(
  dataSource: DataSource,
  model: string,
  config: Partial<VersionConfig> = {},
): Promise<SeededVersion> {
  const now = new Date();
  await dataSource
    .createQueryBuilder()
    .insert()
    .into(ModelEntity)
    .values({ id: uuidv7(), name: model, created_at: now, updated_at: now })
    .orIgnore()
    .execute();
  const { id: modelId } = await dataSource.manager.findOneByOrFail(ModelEntity, { name: model });
  const number = 1 + (await dataSource.manager.countBy(VersionEntity, { model_id: modelId }));
  const id = uuidv7();
  const sha256 = createHash('sha256').update(id).digest('hex');
  const made = { created_at: now, created_by: 'client:test' };
  await dataSource.manager.insert(VersionEntity, {
    id,
    model_id: modelId,
    number,
    entry_file: 'model.onnx',
    ...made,
  });
  await dataSource.manager.insert(ArtifactEntity, { sha256, size_bytes: 1_000, created_at: now });
  await dataSource.manager.insert(VersionFileEntity, { version_id: id, path: 'model.onnx', sha256 });
  await dataSource.manager.insert(ConfigRevisionEntity, {
    version_id: id,
    revision: 1,
    config: VersionConfigSchema.parse(config),
    ...made,
  });
  return { id, modelId, model, number };
}

export async function seedConfig(
  dataSource: DataSource,
  version: SeededVersion,
  revision: number,
  config: Partial<VersionConfig> = {},
): Promise<void> {
  await dataSource.manager.insert(ConfigRevisionEntity, {
    version_id: version.id,
    revision,
    config: VersionConfigSchema.parse(config),
    created_at: new Date(),
    created_by: 'client:test',
  });
  await dataSource.manager.update(VersionEntity, { id: version.id }, { config_revision: revision });
}

export async function seedAlias(dataSource: DataSource, version: SeededVersion, name: string): Promise<void> {
  await dataSource.manager.upsert(
    AliasEntity,
    {
      model_id: version.modelId,
      name,
      version_number: version.number,
      protected: false,
      updated_at: new Date(),
    },
    ['model_id', 'name'],
  );
}

/** An endpoint that sends everything to the version. */
export async function seedTraffic(
  dataSource: DataSource,
  version: SeededVersion,
  name: string,
): Promise<void> {
  const id = uuidv7();
  await dataSource.manager.insert(EndpointEntity, {
    id,
    name,
    model_id: version.modelId,
    traffic: { ...noTraffic, split: [{ version: version.number, weight: 1 }] },
    updated_at: new Date(),
    updated_by: 'client:test',
  });
  await dataSource.manager.insert(TrafficTargetEntity, {
    endpoint_id: id,
    position: 0,
    model_id: version.modelId,
    version_number: version.number,
    alias: null,
  });
}

/** Forgets nodes, models and quotas, so that one registry serves many tests. */
export async function emptyTables(dataSource: DataSource): Promise<void> {
  await retryDeadlocks(() => dataSource.query('TRUNCATE nodes, replicas, models, artifacts, quotas CASCADE'));
}
