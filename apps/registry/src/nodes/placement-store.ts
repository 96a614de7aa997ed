/** The statements of placement: one for each set that it reads or writes, whatever its size. */
import type { NodeState } from '#contracts/nodes';
import type { EntityManager } from 'typeorm';
import type { PlacementDiff } from './placement-diff.js';
import type { ReplicaRow, VersionRow } from './placement-input.js';
import { lockVersions } from './replica-store.js';

export interface NodeRow {
  readonly id: string;
  readonly cores: number;
  readonly memory_bytes: number;
  readonly state: NodeState;
  readonly cordoned: boolean;
}

/** In the order of ids, as every transaction that locks several nodes does. */
export async function lockNodes(manager: EntityManager): Promise<void> {
  await manager.query('SELECT id FROM nodes ORDER BY id FOR NO KEY UPDATE');
}

export const readNodes = (manager: EntityManager): Promise<NodeRow[]> =>
  manager.query<NodeRow[]>('SELECT id, cores, memory_bytes::float8, state, cordoned FROM nodes');

export const readVersions = (manager: EntityManager): Promise<VersionRow[]> =>
  manager.query<VersionRow[]>(
    `SELECT v.id, v.status, v.status_reason, v.config_revision, v.signature,
            (c.config->>'replicas')::int AS replicas, (c.config->>'instances')::int AS instances,
            (c.config->>'intra_op_threads')::int AS intra_op_threads, (c.config->>'pinned')::boolean AS pinned,
            COALESCE((v.profile->>'latency_ms')::float8, 0) AS latency_ms, COALESCE((v.profile->>'warmup_ms')::float8, 0) AS warmup_ms,
            (v.profile->>'memory_bytes')::float8 AS profile_memory_bytes, COALESCE(files.bytes, 0)::float8 AS file_bytes,
            targets.number IS NOT NULL AS in_traffic, named.number IS NOT NULL AS has_alias
     FROM versions v
     JOIN models m ON m.id = v.model_id
     JOIN config_revisions c ON c.version_id = v.id AND c.revision = v.config_revision
     LEFT JOIN (SELECT f.version_id, sum(a.size_bytes) AS bytes
                FROM version_files f JOIN artifacts a ON a.sha256 = f.sha256 GROUP BY 1) files ON files.version_id = v.id
     LEFT JOIN (SELECT DISTINCT t.model_id, COALESCE(t.version_number, a.version_number) AS number
                FROM traffic_targets t LEFT JOIN aliases a ON a.model_id = t.model_id AND a.name = t.alias) targets
       ON targets.model_id = v.model_id AND targets.number = v.number
     LEFT JOIN (SELECT DISTINCT model_id, version_number AS number FROM aliases) named
       ON named.model_id = v.model_id AND named.number = v.number
     WHERE NOT v.external AND v.archived_at IS NULL AND m.archived_at IS NULL AND v.status IN ('PENDING', 'READY')
       AND (v.held OR v.status = 'PENDING' OR targets.number IS NOT NULL OR named.number IS NOT NULL)`,
  );

export const readReplicas = (manager: EntityManager): Promise<ReplicaRow[]> =>
  manager.query<ReplicaRow[]>(
    'SELECT node_id, version_id, wanted, config_revision, state, next, attempts, retry_at FROM replicas',
  );

/** Nodes with made-up names (pods) never come back; their rows would pile up. All nodes are locked already. */
export async function forgetLostNodes(manager: EntityManager): Promise<void> {
  await manager.query(
    `WITH old AS (
       SELECT id FROM nodes WHERE state = 'LOST' AND NOT cordoned AND lease_expires_at < now() - interval '7 days'),
     emptied AS (DELETE FROM replicas WHERE node_id IN (SELECT id FROM old))
     DELETE FROM nodes WHERE id IN (SELECT id FROM old)`,
  );
}

export async function writeDiff(manager: EntityManager, diff: PlacementDiff): Promise<void> {
  if (diff.wanted.length > 0)
    await manager.query(
      `INSERT INTO replicas AS r (node_id, version_id, wanted, config_revision, state, attempts, updated_at)
       SELECT node_id, version_id, true, config_revision, 'ASSIGNED', 0, now() FROM ${recordset}
       ON CONFLICT (node_id, version_id) DO UPDATE SET
         wanted = true, config_revision = excluded.config_revision, retry_at = NULL, updated_at = now(),
         attempts = CASE WHEN r.config_revision = excluded.config_revision THEN r.attempts ELSE 0 END,
         state = CASE WHEN r.state = 'FAILED' THEN 'ASSIGNED' ELSE r.state END,
         reason = CASE WHEN r.state = 'FAILED' THEN NULL ELSE r.reason END`,
      [JSON.stringify(diff.wanted)],
    );
  if (diff.unwanted.length > 0)
    await manager.query(
      `UPDATE replicas r SET wanted = false, updated_at = now() FROM ${recordset}
       WHERE r.node_id = c.node_id AND r.version_id = c.version_id`,
      [JSON.stringify(diff.unwanted)],
    );
  if (diff.forgotten.length > 0)
    await manager.query(
      `DELETE FROM replicas r USING ${recordset} WHERE r.node_id = c.node_id AND r.version_id = c.version_id`,
      [JSON.stringify(diff.forgotten)],
    );
  await lockVersions(
    manager,
    diff.reasons.map((one) => one.version_id),
  );
  if (diff.reasons.length > 0)
    await manager.query(
      `UPDATE versions v SET status_reason = c.reason FROM jsonb_to_recordset($1::jsonb) AS c(version_id uuid, reason text)
       WHERE v.id = c.version_id AND v.status <> 'FAILED'`,
      [JSON.stringify(diff.reasons)],
    );
}

const recordset = 'jsonb_to_recordset($1::jsonb) AS c(node_id uuid, version_id uuid, config_revision int)';
