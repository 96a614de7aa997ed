/** What operators see of the nodes and may ask of them. */
import type { Page } from '#contracts/common';
import type { NodeInfo } from '#contracts/nodes';
import { ExternalNodeEntity } from '#database/entities/external-node.entity';
import { NodeEntity } from '#database/entities/node.entity';
import { Transactions } from '#database/transactions';
import type { Actor } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, In } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { ExternalReports } from '../external-nodes/external-reports.service.js';
import { decodePageToken, toPage } from '../http/page.js';
import { JobQueue } from '../jobs/job-queue.js';
import { nodeNotFound } from './lease.service.js';
import { toExternalNodeInfo, toNodeInfo } from './nodes.mapper.js';
import type { NamedReplica } from './nodes.mapper.js';

export interface ListNodesQuery {
  readonly page_size: number;
  readonly page_token?: string | undefined;
}

@Injectable()
export class NodesService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly jobs: JobQueue,
    private readonly reports: ExternalReports,
  ) {}

  /** By name, external ones after nodes of ours of the same name. */
  async list(query: ListNodesQuery): Promise<Page<NodeInfo>> {
    const [name, external] = decodePageToken(query.page_token, z.tuple([z.string(), z.boolean()])) ?? [];
    const rows = await this.dataSource.query<ListedNode[]>(
      `SELECT id, name, external FROM (
         SELECT id, name, false AS external FROM nodes UNION ALL SELECT id, name, true FROM external_nodes
       ) AS listed
       WHERE $1::text IS NULL OR (name, external) > ($1, $2) ORDER BY name, external LIMIT $3`,
      [name ?? null, external ?? null, query.page_size + 1],
    );
    const page = toPage(rows, query.page_size, (row) => [row.name, row.external]);
    const infos = await this.infosOf(page.items.map(({ id }) => id));
    return { ...page, items: page.items.flatMap(({ id }) => infos.get(id) ?? []) };
  }

  async read(nodeId: string): Promise<NodeInfo> {
    const info = (await this.infosOf([nodeId])).get(nodeId);
    if (info === undefined) throw nodeNotFound(nodeId);
    return info;
  }

  /** Safe to repeat. */
  async setCordoned(nodeId: string, cordoned: boolean, actor: Actor): Promise<NodeInfo> {
    const changed = await this.transactions.write(actor, async (tx) => {
      const nodes = tx.manager.getRepository(NodeEntity);
      const node = await nodes.findOne({ where: { id: nodeId }, lock: { mode: 'for_no_key_update' } });
      if (node === null) throw await this.notOurs(nodeId);
      if (node.cordoned === cordoned) return false;
      await nodes.update({ id: nodeId }, { cordoned });
      await tx.audit({
        action: cordoned ? 'node.drain' : 'node.resume',
        subject: `nodes/${nodeId}`,
        before: { cordoned: node.cordoned },
        after: { cordoned },
      });
      tx.routingChanged();
      return true;
    });
    if (changed) await this.jobs.lookAgain('placement');
    return this.read(nodeId);
  }

  private async infosOf(ids: readonly string[]): Promise<ReadonlyMap<string, NodeInfo>> {
    const { manager } = this.dataSource;
    const where = { id: In([...ids]) };
    const external = await manager.find(ExternalNodeEntity, { where });
    const nodes = await withReplicas(manager, await manager.find(NodeEntity, { where }));
    const served = await this.reports.replicasOf(external.map(({ id }) => id));
    const infos = external.map((node) =>
      toExternalNodeInfo(
        node,
        served.filter((row) => row.node_id === node.id),
      ),
    );
    return new Map([...nodes, ...infos].map((info) => [info.id, info]));
  }

  /** Nobody places anything on an external node, so nothing can be moved from it. */
  private async notOurs(nodeId: string): Promise<SluiceError> {
    const isExternal = await this.dataSource.manager.existsBy(ExternalNodeEntity, { id: nodeId });
    return isExternal
      ? new SluiceError(
          'INVALID_REQUEST',
          'An external node is not drained: change what it serves, or delete it.',
        )
      : nodeNotFound(nodeId);
  }
}

interface ListedNode {
  readonly id: string;
  readonly name: string;
  readonly external: boolean;
}

async function withReplicas(manager: EntityManager, nodes: readonly NodeEntity[]): Promise<NodeInfo[]> {
  const replicas = await manager.query<NamedReplica[]>(
    `SELECT r.node_id, r.version_id, COALESCE(r.reported_config_revision, r.config_revision) AS config_revision,
            r.state, r.reason, r.next, r.updated_at, m.name AS model, v.number AS version
     FROM replicas r JOIN versions v ON v.id = r.version_id JOIN models m ON m.id = v.model_id
     WHERE r.node_id = ANY($1) ORDER BY m.name, v.number`,
    [nodes.map((node) => node.id)],
  );
  return nodes.map((node) =>
    toNodeInfo(
      node,
      replicas.filter((replica) => replica.node_id === node.id),
    ),
  );
}
