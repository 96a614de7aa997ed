/**
 * Which external nodes gateways find ready. Only they can tell whether they reach one, so nothing here ever asks a node; what a
 * gateway has not said for a while does not count.
 */
import type { ReportExternalReplicas } from '#contracts/external-nodes';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

/** Gateways report every few seconds. */
const freshMs = 30_000;

/** A version at an external node, and what is known of it. */
export interface ExternalReplicaRow {
  readonly node_id: string;
  readonly version_id: string;
  readonly model: string;
  readonly version: number;
  readonly config_revision: number;
  /** Of the last report; null: there is none. */
  readonly reported_at: Date | null;
  /** At any gateway that has spoken lately. */
  readonly is_ready: boolean;
}

@Injectable()
export class ExternalReports {
  constructor(private readonly dataSource: DataSource) {}

  /** Takes what one gateway found. What is not there any more is passed over. */
  async take({ replicas }: ReportExternalReplicas, gateway: string): Promise<void> {
    await this.dataSource.query(
      `INSERT INTO external_reports (node_id, version_id, gateway, is_ready, reported_at)
       SELECT r.node_id, r.version_id, $2, bool_and(told.ready), now()
       FROM jsonb_to_recordset($1::jsonb) AS told(node_id uuid, model text, version int, ready boolean)
       JOIN models m ON m.name = told.model
       JOIN versions v ON v.model_id = m.id AND v.number = told.version
       JOIN external_replicas r ON r.version_id = v.id AND r.node_id = told.node_id
       GROUP BY r.node_id, r.version_id ORDER BY r.node_id, r.version_id
       ON CONFLICT (node_id, version_id, gateway)
         DO UPDATE SET is_ready = EXCLUDED.is_ready, reported_at = EXCLUDED.reported_at`,
      [JSON.stringify(replicas), gateway],
    );
    await this.dataSource.query(
      `DELETE FROM external_reports WHERE reported_at < now() - $1 * interval '10 milliseconds'`,
      [freshMs],
    );
  }

  /** What these nodes serve. */
  replicasOf(nodeIds: readonly string[]): Promise<ExternalReplicaRow[]> {
    return this.dataSource.query<ExternalReplicaRow[]>(
      `SELECT r.node_id, r.version_id, m.name AS model, v.number AS version, v.config_revision,
              max(e.reported_at) AS reported_at, COALESCE(bool_or(e.is_ready), false) AS is_ready
       FROM external_replicas r JOIN versions v ON v.id = r.version_id JOIN models m ON m.id = v.model_id
       LEFT JOIN external_reports e ON e.version_id = r.version_id AND e.node_id = r.node_id
         AND e.reported_at > now() - $2 * interval '1 millisecond'
       WHERE r.node_id = ANY($1)
       GROUP BY r.node_id, r.version_id, m.name, v.number, v.config_revision ORDER BY m.name, v.number`,
      [nodeIds, freshMs],
    );
  }
}
