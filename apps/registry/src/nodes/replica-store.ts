/** Reads and writes a node's replicas set by set: a node with thousands of them costs as many statements as one with one. */
import type { EntityManager } from 'typeorm';
import type { KnownReplica, ReportOutcome } from './replica-report.js';

export function readKnownReplicas(manager: EntityManager, nodeId: string): Promise<KnownReplica[]> {
  return manager.query<KnownReplica[]>(
    `SELECT r.version_id, r.wanted, r.state, r.reported_config_revision, r.reason, r.next, r.attempts, r.retry_at,
            v.status AS version_status, COALESCE(others.attempts, 0)::int AS attempts_elsewhere
     FROM replicas r JOIN versions v ON v.id = r.version_id
     LEFT JOIN LATERAL (
       SELECT sum(o.attempts) AS attempts FROM replicas o
       WHERE v.status = 'PENDING' AND o.version_id = r.version_id AND o.node_id <> r.node_id) others ON true
     WHERE r.node_id = $1`,
    [nodeId],
  );
}

/**
 * Locks are taken in the order nodes, versions, snapshot_state, rows of one table by ascending id: the same in every
 * transaction, placement included. Replicas need none of their own: whoever writes them holds their node.
 */
export async function writeOutcome(
  manager: EntityManager,
  nodeId: string,
  outcome: ReportOutcome,
): Promise<void> {
  if (outcome.changed.length > 0)
    await manager.query(
      `UPDATE replicas r SET state = c.state, reported_config_revision = c.reported_config_revision, reason = c.reason, next = c.next,
         attempts = c.attempts, retry_at = c.retry_at, updated_at = now()
       FROM jsonb_to_recordset($2::jsonb) AS c(version_id uuid, state text, reported_config_revision int, reason text, next jsonb,
         attempts int, retry_at timestamptz)
       WHERE r.node_id = $1 AND r.version_id = c.version_id`,
      [nodeId, storableJson(outcome.changed)],
    );
  if (outcome.gone.length > 0)
    await manager.query('DELETE FROM replicas WHERE node_id = $1 AND version_id = ANY($2)', [
      nodeId,
      outcome.gone,
    ]);
  await lockVersions(
    manager,
    [...outcome.ready, ...outcome.failed].map((one) => one.version_id),
  );
  if (outcome.ready.length > 0)
    await manager.query(
      `UPDATE versions v SET status = 'READY', status_reason = NULL, signature = c.signature, profile = c.profile
       FROM jsonb_to_recordset($1::jsonb) AS c(version_id uuid, signature jsonb, profile jsonb)
       WHERE v.id = c.version_id AND v.status = 'PENDING'`,
      [storableJson(outcome.ready)],
    );
  if (outcome.failed.length > 0)
    await manager.query(
      `UPDATE versions v SET status = 'FAILED', status_reason = c.reason
       FROM jsonb_to_recordset($1::jsonb) AS c(version_id uuid, reason text)
       WHERE v.id = c.version_id AND v.status = 'PENDING'`,
      [storableJson(outcome.failed)],
    );
}

export async function lockVersions(manager: EntityManager, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await manager.query('SELECT id FROM versions WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE', [ids]);
}

/** A node passes on what a model file says; PostgreSQL stores neither zero bytes nor halves of a surrogate pair. */
const storableJson = (rows: readonly object[]): string =>
  JSON.stringify(rows, (_, value: unknown) => (typeof value === 'string' ? storableText(value) : value));

const storableText = (text: string): string => Buffer.from(text.replaceAll('\0', '')).toString();
