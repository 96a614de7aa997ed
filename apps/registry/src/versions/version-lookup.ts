/** Finds versions and reads what they are shown with: three statements for a page, however long it is. */
import type { Version, VersionFile } from '#contracts/models';
import type { ModelEntity } from '#database/entities/model.entity';
import {
  AliasEntity,
  ArtifactEntity,
  ConfigRevisionEntity,
  VersionEntity,
  VersionFileEntity,
} from '#database/entities/version.entity';
import { SluiceError } from '#platform/errors';
import { In } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { toVersion } from './versions.mapper.js';

type ModelRef = Pick<ModelEntity, 'id' | 'name'>;
type FileRow = VersionFile & { readonly version_id: string };

/** @throws SluiceError VERSION_NOT_FOUND */
export async function findVersion(
  manager: EntityManager,
  model: ModelRef,
  number: number,
): Promise<VersionEntity> {
  const row = await manager.findOneBy(VersionEntity, { model_id: model.id, number });
  if (!row) throw new SluiceError('VERSION_NOT_FOUND', `The model "${model.name}" has no version ${number}.`);
  return row;
}

/** The versions of one model as callers see them, in the order of `rows`. */
export async function viewVersions(
  manager: EntityManager,
  model: ModelRef,
  rows: readonly VersionEntity[],
): Promise<Version[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const numbers = rows.map((row) => row.number);
  const files = groupBy(await readFiles(manager, ids), (file) => file.version_id);
  const aliases = groupBy(
    await manager.findBy(AliasEntity, { model_id: model.id, version_number: In(numbers) }),
    (alias) => alias.version_number,
  );
  const configs = new Map((await readConfigs(manager, ids)).map((config) => [config.version_id, config]));
  return rows.map((row) => {
    const config = configs.get(row.id);
    if (!config) throw new Error(`version ${row.id} has no config revision ${row.config_revision}`);
    const shown = (files.get(row.id) ?? []).map(({ path, sha256, size_bytes }) => ({
      path,
      sha256,
      size_bytes,
    }));
    return toVersion(row, {
      model: model.name,
      files: shown,
      config,
      aliases: aliases.get(row.number) ?? [],
    });
  });
}

/** One version as callers see it. */
export async function viewVersion(
  manager: EntityManager,
  model: ModelRef,
  row: VersionEntity,
): Promise<Version> {
  const [version] = await viewVersions(manager, model, [row]);
  if (!version) throw new Error('viewVersions lost a row');
  return version;
}

async function readFiles(manager: EntityManager, versionIds: readonly string[]): Promise<FileRow[]> {
  const rows = await manager
    .createQueryBuilder(VersionFileEntity, 'file')
    .innerJoin(ArtifactEntity, 'artifact', 'artifact.sha256 = file.sha256')
    .where('file.version_id = ANY(:versionIds)', { versionIds })
    .select('file.version_id', 'version_id')
    .addSelect('file.path', 'path')
    .addSelect('file.sha256', 'sha256')
    .addSelect('artifact.size_bytes', 'size_bytes')
    .getRawMany<Omit<FileRow, 'size_bytes'> & { readonly size_bytes: string }>();
  return rows.map((row) => ({ ...row, size_bytes: Number(row.size_bytes) }));
}

/** The revision in force of each version. */
const readConfigs = (
  manager: EntityManager,
  versionIds: readonly string[],
): Promise<ConfigRevisionEntity[]> =>
  manager
    .createQueryBuilder(ConfigRevisionEntity, 'config')
    .innerJoin(
      VersionEntity,
      'version',
      'version.id = config.version_id AND version.config_revision = config.revision',
    )
    .where('version.id = ANY(:versionIds)', { versionIds })
    .getMany();

function groupBy<T, K>(rows: readonly T[], keyOf: (row: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row]);
  return groups;
}
