/** Follows versions to the runs that made them and the endpoints that serve them. Reads only. */
import type { Lineage, LineageQuery } from '#contracts/lineage';
import { allows } from '#contracts/scopes';
import { RunEntity } from '#database/entities/run.entity';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { findEndpoint } from '../endpoints/endpoint-store.js';
import type { Caller } from '../http/caller.js';
import { findModel } from '../models/model-lookup.js';
import { findVersion } from '../versions/version-lookup.js';

type VersionRow = Lineage['versions'][number] & { readonly id: string };

const maxVersions = 1_000;

@Injectable()
export class LineageService {
  constructor(private readonly dataSource: DataSource) {}

  async read(query: LineageQuery, caller: Caller): Promise<Lineage> {
    const { manager } = this.dataSource;
    const rows = await readVersions(manager, await condition(manager, query));
    const runIds = [...rows.map((row) => row.run_id), query.run_id].filter((id) => id != null);
    const [runs, endpoints] = await Promise.all([
      allows(caller.scopes, 'runs:read') ? readRuns(manager, runIds) : [],
      allows(caller.scopes, 'endpoints:read') ? readEndpoints(manager, rows) : [],
    ]);
    return { runs, versions: rows.map(toVersion), endpoints };
  }
}

const toVersion = ({ model, version, status, run_id, aliases, archived }: VersionRow) => ({
  model,
  version,
  status,
  run_id,
  aliases,
  archived,
});

type Condition = readonly [sql: string, parameter: string];

/** Which versions are meant. @throws SluiceError when what the query names is not there */
async function condition(manager: EntityManager, query: LineageQuery): Promise<Condition> {
  if (query.run_id !== undefined) {
    if (!(await manager.existsBy(RunEntity, { id: query.run_id })))
      throw new SluiceError('RUN_NOT_FOUND', `There is no run ${query.run_id}.`);
    return ['v.run_id = $1', query.run_id];
  }
  if (query.endpoint !== undefined) {
    const { id } = await findEndpoint(manager, query.endpoint);
    return [`EXISTS (SELECT FROM served s WHERE s.endpoint_id = $1 AND s.version_id = v.id)`, id];
  }
  const model = await findModel(manager, query.model ?? '');
  if (query.version === undefined) return ['v.model_id = $1', model.id];
  return ['v.id = $1', (await findVersion(manager, model, query.version)).id];
}

/** The versions that traffic goes to, whether it names them by number or by alias. */
const served = `served AS (
  SELECT t.endpoint_id, t.alias, v.id AS version_id, v.number FROM traffic_targets t
  LEFT JOIN aliases a ON a.model_id = t.model_id AND a.name = t.alias
  JOIN versions v ON v.model_id = t.model_id AND v.number = coalesce(t.version_number, a.version_number))`;

const readVersions = (manager: EntityManager, [sql, parameter]: Condition): Promise<VersionRow[]> =>
  manager.query<VersionRow[]>(
    `WITH ${served}
     SELECT v.id, m.name AS model, v.number AS version, v.status, v.run_id,
       v.archived_at IS NOT NULL AS archived,
       (SELECT coalesce(json_agg(a.name ORDER BY a.name), '[]') FROM aliases a
        WHERE a.model_id = v.model_id AND a.version_number = v.number) AS aliases
     FROM versions v JOIN models m ON m.id = v.model_id
     WHERE ${sql} ORDER BY v.id DESC LIMIT ${maxVersions}`,
    [parameter],
  );

const readRuns = (manager: EntityManager, ids: readonly string[]): Promise<Lineage['runs']> =>
  manager.query<Lineage['runs']>(
    `SELECT r.id, r.name, e.name AS experiment, r.status FROM runs r JOIN experiments e ON e.id = r.experiment_id
     WHERE r.id = ANY($1) ORDER BY r.id DESC`,
    [ids],
  );

const readEndpoints = (
  manager: EntityManager,
  versions: readonly VersionRow[],
): Promise<Lineage['endpoints']> =>
  manager.query<Lineage['endpoints']>(
    `WITH ${served}
     SELECT e.name, m.name AS model,
       json_agg(json_build_object('version', s.number, 'alias', s.alias) ORDER BY s.number, s.alias) AS targets
     FROM served s JOIN endpoints e ON e.id = s.endpoint_id JOIN models m ON m.id = e.model_id
     WHERE s.version_id = ANY($1) GROUP BY e.id, m.id ORDER BY e.name`,
    [versions.map(({ id }) => id)],
  );
