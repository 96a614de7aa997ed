/** How versions go: archived, and at last deleted. Call it with the model locked; nothing that is used ever goes. */
import { TrafficTargetEntity } from '#database/entities/endpoint.entity';
import type { ModelEntity } from '#database/entities/model.entity';
import { AliasEntity, VersionEntity } from '#database/entities/version.entity';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import type { EntityManager } from 'typeorm';
import { viewVersion } from './version-lookup.js';

type ModelRef = Pick<ModelEntity, 'id' | 'name'>;

const subjectOf = (model: ModelRef, row: VersionEntity): string =>
  `models/${model.name}/versions/${row.number}`;

/** @throws SluiceError VERSION_IN_USE */
export async function archiveVersion(tx: WriteContext, model: ModelRef, row: VersionEntity): Promise<void> {
  await requireUnused(tx.manager, row);
  await changeArchived(tx, model, row, { archived_at: new Date(), action: 'version.archive' });
}

export async function restoreVersion(tx: WriteContext, model: ModelRef, row: VersionEntity): Promise<void> {
  await changeArchived(tx, model, row, { archived_at: null, action: 'version.restore' });
}

async function changeArchived(
  tx: WriteContext,
  model: ModelRef,
  row: VersionEntity,
  { archived_at, action }: { readonly archived_at: Date | null; readonly action: string },
): Promise<void> {
  const before = await viewVersion(tx.manager, model, row);
  row.archived_at = archived_at;
  await tx.manager.update(VersionEntity, { id: row.id }, { archived_at });
  const after = await viewVersion(tx.manager, model, row);
  await tx.audit({ action, subject: subjectOf(model, row), before, after });
  tx.routingChanged();
}

/** What belongs to a version alone. Rows of its files go; their bytes are collected when nothing else refers to them. */
const ownTables = [
  'replicas',
  'mlflow_versions',
  'config_revisions',
  'version_files',
  'attestations',
  'uploads',
] as const;

/** Deletes a version for good. Its number is never given again. @throws SluiceError VERSION_IN_USE */
export async function deleteVersion(tx: WriteContext, model: ModelRef, row: VersionEntity): Promise<void> {
  await requireUnused(tx.manager, row);
  if (await isOnNode(tx.manager, row))
    throw new SluiceError(
      'VERSION_IN_USE',
      `Version ${row.number} is still on a node, which is unloading it. Try again in a moment.`,
    );
  const before = await viewVersion(tx.manager, model, row);
  for (const table of ownTables)
    await tx.manager.query(`DELETE FROM ${table} WHERE version_id = $1`, [row.id]);
  await tx.manager.delete(VersionEntity, { id: row.id });
  await tx.audit({ action: 'version.delete', subject: subjectOf(model, row), before });
  tx.routingChanged();
}

/** Whether a node that lives holds it, or is about to. */
export async function isOnNode(manager: EntityManager, row: VersionEntity): Promise<boolean> {
  const found = await manager.query<unknown[]>(
    `SELECT 1 FROM replicas r JOIN nodes n ON n.id = r.node_id WHERE r.version_id = $1 AND n.state <> 'LOST' LIMIT 1`,
    [row.id],
  );
  return found.length > 0;
}

/** Traffic by alias is covered as well: the alias itself is a use. @throws SluiceError VERSION_IN_USE */
export async function requireUnused(manager: EntityManager, row: VersionEntity): Promise<void> {
  const where = { model_id: row.model_id, version_number: row.number };
  if (await manager.existsBy(TrafficTargetEntity, where))
    throw new SluiceError(
      'VERSION_IN_USE',
      `Version ${row.number} still gets traffic. Take it out of it first.`,
    );
  const alias = await manager.findOneBy(AliasEntity, where);
  if (alias)
    throw new SluiceError(
      'VERSION_IN_USE',
      `Version ${row.number} has the alias "${alias.name}". Move or delete it first.`,
    );
}

/** @throws SluiceError CONFIRMATION_REQUIRED unless the name was typed */
export function requireConfirmation(confirm: string | undefined, name: string): void {
  if (confirm === name) return;
  throw new SluiceError(
    'CONFIRMATION_REQUIRED',
    `This cannot be undone. Send the query parameter confirm with the name "${name}".`,
  );
}

/** @throws SluiceError NOT_ARCHIVED: what is deleted has been out of sight before */
export function requireArchived(what: string, archivedAt: Date | null): void {
  if (archivedAt === null)
    throw new SluiceError('NOT_ARCHIVED', `${what} is not archived. Archive it first.`);
}
