/** Tells nodes that what they shall hold has changed: they hear of it when the transaction commits. */
import type { EntityManager } from 'typeorm';
import { channels } from '#database/transactions';

/** The assignments of these nodes, locked already, have another revision; those that wait for one look again. */
export async function tellNodes(manager: EntityManager, nodeIds: readonly string[]): Promise<void> {
  if (nodeIds.length === 0) return;
  await manager.query(
    `WITH told AS (
       UPDATE nodes SET assignments_revision = assignments_revision + 1 WHERE id = ANY($1) RETURNING id)
     SELECT pg_notify($2, id::text) FROM told`,
    [nodeIds, channels.assignments],
  );
}

/** Tells the nodes that hold versions of the model. Locks them in the order in which every transaction locks several. */
export async function tellHolders(manager: EntityManager, modelId: string): Promise<void> {
  const rows = await manager.query<{ id: string }[]>(
    `SELECT id FROM nodes WHERE id IN (
       SELECT r.node_id FROM replicas r JOIN versions v ON v.id = r.version_id WHERE v.model_id = $1 AND r.wanted)
     ORDER BY id FOR NO KEY UPDATE`,
    [modelId],
  );
  await tellNodes(
    manager,
    rows.map(({ id }) => id),
  );
}
