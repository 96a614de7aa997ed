/** What operators see of the nodes and may ask of them. */
import type { Page } from '#contracts/common';
import type { NodeInfo } from '#contracts/nodes';
import { NodeEntity } from '#database/entities/node.entity';
import { Transactions } from '#database/transactions';
import type { Actor } from '#database/transactions';
import { Injectable } from '@nestjs/common';
import { DataSource, MoreThan } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { decodePageToken, toPage } from '../http/page.js';
import { JobQueue } from '../jobs/job-queue.js';
import { nodeNotFound } from './lease.service.js';
import { toNodeInfo } from './nodes.mapper.js';
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
  ) {}

  /** By name. */
  async list(query: ListNodesQuery): Promise<Page<NodeInfo>> {
    const after = decodePageToken(query.page_token, z.tuple([z.string()]));
    const nodes = await this.dataSource.getRepository(NodeEntity).find({
      ...(after ? { where: { name: MoreThan(after[0]) } } : {}),
      order: { name: 'ASC' },
      take: query.page_size + 1,
    });
    const page = toPage(nodes, query.page_size, (node) => [node.name]);
    return { ...page, items: await withReplicas(this.dataSource.manager, page.items) };
  }

  async read(nodeId: string): Promise<NodeInfo> {
    const node = await this.dataSource.getRepository(NodeEntity).findOneBy({ id: nodeId });
    if (node === null) throw nodeNotFound(nodeId);
    const [info] = await withReplicas(this.dataSource.manager, [node]);
    if (info === undefined) throw nodeNotFound(nodeId);
    return info;
  }

  /** Safe to repeat. */
  async setCordoned(nodeId: string, cordoned: boolean, actor: Actor): Promise<NodeInfo> {
    const changed = await this.transactions.write(actor, async (tx) => {
      const nodes = tx.manager.getRepository(NodeEntity);
      const node = await nodes.findOne({ where: { id: nodeId }, lock: { mode: 'for_no_key_update' } });
      if (node === null) throw nodeNotFound(nodeId);
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
