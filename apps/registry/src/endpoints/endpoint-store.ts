/**
 * Writes endpoints with everything that must agree with them: history and `traffic_targets`, whose foreign keys keep what
 * the traffic points at from disappearing. Call it with the model locked.
 */
import type { Endpoint, Traffic } from '#contracts/endpoints';
import {
  EndpointEntity,
  TrafficRevisionEntity,
  TrafficTargetEntity,
} from '#database/entities/endpoint.entity';
import type { ModelEntity } from '#database/entities/model.entity';
import { AliasEntity, VersionEntity } from '#database/entities/version.entity';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { violatedConstraint } from '../http/violations.js';
import { requireReleasable } from '../integrity/attestations.js';
import { toEndpoint } from './endpoints.mapper.js';
import { requireServable, targetsOf } from './traffic-targets.js';

export interface NewEndpoint {
  readonly name: string;
  readonly model: Pick<ModelEntity, 'id' | 'name'>;
  readonly traffic: Traffic;
  readonly by: string;
}

/** @throws SluiceError ENDPOINT_NOT_FOUND */
export async function findEndpoint(manager: EntityManager, name: string): Promise<EndpointEntity> {
  const row = await manager.findOneBy(EndpointEntity, { name });
  if (!row) throw new SluiceError('ENDPOINT_NOT_FOUND', `There is no endpoint "${name}".`);
  return row;
}

/** @throws SluiceError ALREADY_EXISTS, or what is wrong with the traffic */
export async function insertEndpoint(
  tx: WriteContext,
  { name, model, traffic, by }: NewEndpoint,
): Promise<Endpoint> {
  const row: EndpointEntity = {
    id: uuidv7(),
    name,
    model_id: model.id,
    revision: 1,
    traffic,
    updated_at: new Date(),
    updated_by: by,
  };
  await requireTraffic(tx.manager, model, traffic);
  await tx.manager.insert(EndpointEntity, row).catch((error: unknown) => {
    if (violatedConstraint(error) !== 'endpoints_name_key') throw error;
    throw new SluiceError('ALREADY_EXISTS', `There is an endpoint "${name}" already.`);
  });
  await writeTraffic(tx.manager, row);
  const endpoint = toEndpoint(row, model.name);
  await tx.audit({ action: 'endpoint.create', subject: `endpoints/${name}`, after: endpoint });
  return endpoint;
}

/** Gives a locked endpoint its next revision. */
export async function replaceTraffic(
  tx: WriteContext,
  row: EndpointEntity,
  { model, traffic, by }: Omit<NewEndpoint, 'name'>,
): Promise<Endpoint> {
  await requireTraffic(tx.manager, model, traffic);
  const before = toEndpoint(row, model.name);
  row.traffic = traffic;
  row.revision += 1;
  row.updated_at = new Date();
  row.updated_by = by;
  await tx.manager.save(row);
  await writeTraffic(tx.manager, row);
  const after = toEndpoint(row, model.name);
  await tx.audit({ action: 'endpoint.set_traffic', subject: `endpoints/${row.name}`, before, after });
  return after;
}

async function requireTraffic(
  manager: EntityManager,
  model: Pick<ModelEntity, 'id' | 'name'>,
  traffic: Traffic,
): Promise<void> {
  const targets = targetsOf(traffic);
  if (targets.length === 0) return;
  const aliases = await manager.findBy(AliasEntity, { model_id: model.id });
  const numbers = new Map(aliases.map((alias) => [alias.name, alias.version_number]));
  const wanted = targets.map((target) => (typeof target === 'number' ? target : numbers.get(target)));
  const versions = await manager
    .createQueryBuilder(VersionEntity, 'version')
    .where('version.model_id = :model AND version.number = ANY(:wanted)', {
      model: model.id,
      wanted: wanted.filter((number) => number !== undefined),
    })
    .getMany();
  requireServable(
    model.name,
    targets,
    numbers,
    new Map(versions.map((version) => [version.number, version])),
  );
  await requireReleasable(manager, model, versions);
}

/** The history and the targets of the endpoint's traffic as it is now. */
async function writeTraffic(manager: EntityManager, row: EndpointEntity): Promise<void> {
  await manager.insert(TrafficRevisionEntity, {
    endpoint_id: row.id,
    revision: row.revision,
    traffic: row.traffic,
    created_at: row.updated_at,
    created_by: row.updated_by,
  });
  await manager.delete(TrafficTargetEntity, { endpoint_id: row.id });
  const targets = targetsOf(row.traffic).map((target, position) => ({
    endpoint_id: row.id,
    position,
    model_id: row.model_id,
    version_number: typeof target === 'number' ? target : null,
    alias: typeof target === 'number' ? null : target,
  }));
  if (targets.length > 0) await manager.insert(TrafficTargetEntity, targets);
}
