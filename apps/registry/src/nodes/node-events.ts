/** What a node's report tells those who follow the events: its own state, its replicas, and verdicts about versions. */
import type { NodeState } from '#contracts/nodes';
import type { WriteContext } from '#database/transactions';
import type { ReportOutcome } from './replica-report.js';

export interface NodeChanges {
  readonly nodeId: string;
  readonly outcome: ReportOutcome;
  /** Only when it is another one than before. */
  readonly state: NodeState | undefined;
}

/** Adds the events of a report, in its transaction; a report that changes nothing costs nothing. */
export async function tellChanges(tx: WriteContext, { nodeId, outcome, state }: NodeChanges): Promise<void> {
  const subject = `nodes/${nodeId}`;
  if (state !== undefined) await tx.event({ type: `node.${state.toLowerCase()}`, subject });
  const { changed, gone } = outcome;
  if (changed.length > 0 || gone.length > 0)
    await tx.event({
      type: 'node.replicas',
      subject,
      data: {
        changed: changed.map(({ version_id, state: now, reason }) => ({ version_id, state: now, reason })),
        gone,
      },
    });
  await tellVerdicts(tx, outcome);
}

async function tellVerdicts(tx: WriteContext, { ready, failed }: ReportOutcome): Promise<void> {
  const reasons = new Map(failed.map((verdict) => [verdict.version_id, verdict.reason]));
  const ids = [...ready.map((verdict) => verdict.version_id), ...reasons.keys()];
  if (ids.length === 0) return;
  const rows = await tx.manager.query<{ id: string; model: string; number: number }[]>(
    `SELECT v.id, v.number, m.name AS model FROM versions v JOIN models m ON m.id = v.model_id
     WHERE v.id = ANY($1)`,
    [ids],
  );
  for (const { id, model, number } of rows) {
    const reason = reasons.get(id);
    await tx.event({
      type: reason === undefined ? 'version.ready' : 'version.failed',
      subject: `models/${model}/versions/${number}`,
      data: { id, model, version: number, status_reason: reason ?? null },
    });
  }
}
