/**
 * Moving and removing an alias, inside a transaction that holds the lock of its model. One that gets traffic never points at a version that
 * cannot serve, and one that is protected is never moved or deleted by a caller without the scope for it.
 */
import type { Alias } from '#contracts/aliases';
import { allows } from '#contracts/scopes';
import { TrafficTargetEntity } from '#database/entities/endpoint.entity';
import type { ModelEntity } from '#database/entities/model.entity';
import { AliasEntity } from '#database/entities/version.entity';
import type { VersionEntity } from '#database/entities/version.entity';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import type { EntityManager } from 'typeorm';
import { requireReady } from '../endpoints/traffic-targets.js';
import type { Caller } from '../http/caller.js';
import { requireReleasable } from '../integrity/attestations.js';
import { tellHolders } from '../nodes/tell-nodes.js';
import { toAlias } from './aliases.mapper.js';

type ModelRef = Pick<ModelEntity, 'id' | 'name'>;

/** @throws SluiceError ALIAS_PROTECTED, or what keeps the version from being named */
export async function moveAlias(
  tx: WriteContext,
  model: ModelRef,
  name: string,
  version: VersionEntity,
  caller: Caller,
): Promise<Alias> {
  await requireFit(tx.manager, model, name, version);
  const before = await tx.manager.findOneBy(AliasEntity, { model_id: model.id, name });
  if (before?.version_number === version.number) return toAlias(before);
  if (before) requireMayMove(before, caller);
  const row: AliasEntity = {
    model_id: model.id,
    name,
    version_number: version.number,
    protected: before?.protected ?? false,
    updated_at: new Date(),
  };
  await tx.manager.upsert(AliasEntity, row, ['model_id', 'name']);
  const [was, is] = [before ? toAlias(before) : undefined, toAlias(row)];
  await tx.audit({ action: 'alias.set', subject: subjectOf(model, name), before: was, after: is });
  await tellHolders(tx.manager, model.id);
  tx.routingChanged();
  return is;
}

/** @throws SluiceError ALIAS_NOT_FOUND, ALIAS_PROTECTED, VERSION_IN_USE */
export async function removeAlias(
  tx: WriteContext,
  model: ModelRef,
  name: string,
  caller: Caller,
): Promise<void> {
  const row = await findAlias(tx.manager, model, name);
  requireMayMove(row, caller);
  if (await getsTraffic(tx.manager, model, name))
    throw new SluiceError('VERSION_IN_USE', `Traffic goes to the alias "${name}". Take it out of it first.`);
  await tx.manager.delete(AliasEntity, { model_id: model.id, name });
  await tx.audit({ action: 'alias.delete', subject: subjectOf(model, name), before: toAlias(row) });
  await tellHolders(tx.manager, model.id);
  tx.routingChanged();
}

/** @throws SluiceError ALIAS_NOT_FOUND */
export async function findAlias(manager: EntityManager, model: ModelRef, name: string): Promise<AliasEntity> {
  const row = await manager.findOneBy(AliasEntity, { model_id: model.id, name });
  if (row) return row;
  throw new SluiceError('ALIAS_NOT_FOUND', `The model "${model.name}" has no alias "${name}".`);
}

export const getsTraffic = (manager: EntityManager, model: ModelRef, alias: string): Promise<boolean> =>
  manager.existsBy(TrafficTargetEntity, { model_id: model.id, alias });

/** Its path in the audit log. */
export const subjectOf = (model: ModelRef, name: string): string => `models/${model.name}/aliases/${name}`;

function requireMayMove(row: AliasEntity, caller: Caller): void {
  if (!row.protected || allows(caller.scopes, 'aliases:protect')) return;
  throw new SluiceError(
    'ALIAS_PROTECTED',
    `The alias "${row.name}" is protected. Moving or deleting it needs the scope aliases:protect.`,
  );
}

/** Any version that is not archived and that the release policy lets pass may be named; one that gets traffic by the name must be READY. */
async function requireFit(
  manager: EntityManager,
  model: ModelRef,
  name: string,
  version: VersionEntity,
): Promise<void> {
  if (version.archived_at || (await getsTraffic(manager, model, name))) requireReady(model.name, version);
  await requireReleasable(manager, model, [version]);
}
