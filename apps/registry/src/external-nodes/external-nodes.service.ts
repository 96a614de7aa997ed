/**
 * External nodes: which servers there are, and which versions they serve under which names. Whether they are ready is each
 * gateway's own finding; nothing here ever calls them.
 */
import { X509Certificate } from 'node:crypto';
import type { Page } from '#contracts/common';
import type {
  ExternalNode,
  ExternalReplica,
  ListExternalNodes,
  PutExternalNode,
} from '#contracts/external-nodes';
import { ExternalNodeEntity, ExternalReplicaEntity } from '#database/entities/external-node.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, MoreThan } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { findModel } from '../models/model-lookup.js';
import { findVersion } from '../versions/version-lookup.js';
import { sealAuthorization } from './authorization-seal.js';
import { toExternalNode, toExternalReplica } from './external-nodes.mapper.js';

const PageKey = z.tuple([z.string()]);

@Injectable()
export class ExternalNodesService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** Makes the node, or replaces all that is known of it. */
  async put(name: string, input: PutExternalNode, caller: Caller): Promise<ExternalNode> {
    requireCertificates(input.ca_pem);
    return this.transactions.write(caller, async (tx) => {
      const last = await lockNode(tx, name);
      const before = last && (await withReplicas(tx.manager, [last]))[0];
      const row = this.toRow(name, input, last);
      await tx.manager.upsert(ExternalNodeEntity, row, ['id']);
      await writeReplicas(tx, row.id, input.serves);
      const after = toExternalNode(row, input.serves);
      await tx.audit({ action: 'external_node.put', subject: `external-nodes/${name}`, before, after });
      tx.routingChanged();
      return after;
    });
  }

  /** By name. */
  async list(query: z.output<typeof ListExternalNodes>): Promise<Page<ExternalNode>> {
    const after = decodePageToken(query.page_token, PageKey);
    const rows = await this.dataSource.getRepository(ExternalNodeEntity).find({
      ...(after ? { where: { name: MoreThan(after[0]) } } : {}),
      order: { name: 'ASC' },
      take: query.page_size + 1,
    });
    const page = toPage(rows, query.page_size, (row) => [row.name]);
    return { ...page, items: await withReplicas(this.dataSource.manager, page.items) };
  }

  async read(name: string): Promise<ExternalNode> {
    const row = await this.dataSource.getRepository(ExternalNodeEntity).findOneBy({ name });
    const [node] = row ? await withReplicas(this.dataSource.manager, [row]) : [];
    if (!node) throw notFound(name);
    return node;
  }

  async remove(name: string, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const row = await lockNode(tx, name);
      if (!row) throw notFound(name);
      const [before] = await withReplicas(tx.manager, [row]);
      await tx.manager.delete(ExternalNodeEntity, { id: row.id });
      await tx.audit({ action: 'external_node.delete', subject: `external-nodes/${name}`, before });
      tx.routingChanged();
    });
  }

  private toRow(name: string, input: PutExternalNode, last: ExternalNodeEntity | null): ExternalNodeEntity {
    const now = new Date();
    const id = last?.id ?? uuidv7();
    const { authorization } = input;
    return {
      id,
      name,
      address: new URL(input.address).origin,
      authorization:
        authorization === null ? null : sealAuthorization(authorization, id, this.config.SLUICE_MASTER_KEY),
      ca_pem: input.ca_pem,
      server_name: input.server_name,
      protocols: input.protocols,
      created_at: last?.created_at ?? now,
      updated_at: now,
    };
  }
}

const notFound = (name: string): SluiceError =>
  new SluiceError('NODE_NOT_FOUND', `There is no external node "${name}".`);

/** Holds the name, also one that is new, until the transaction ends. */
async function lockNode(tx: WriteContext, name: string): Promise<ExternalNodeEntity | null> {
  await tx.manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`external-nodes/${name}`]);
  return tx.manager.findOneBy(ExternalNodeEntity, { name });
}

function requireCertificates(pem: string | null): void {
  if (pem === null) return;
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    if (certificates.length === 0) throw new Error('it holds none');
    certificates.map((certificate) => new X509Certificate(certificate));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SluiceError('INVALID_REQUEST', `ca_pem must hold certificates in PEM: ${reason}.`);
  }
}

/** @throws SluiceError when one of them is no version of ours */
async function writeReplicas(
  tx: WriteContext,
  nodeId: string,
  serves: readonly ExternalReplica[],
): Promise<void> {
  await tx.manager.delete(ExternalReplicaEntity, { node_id: nodeId });
  for (const { model: name, version, served_model, served_version } of serves) {
    const model = await findModel(tx.manager, name);
    const { id: version_id } = await findVersion(tx.manager, model, version);
    await tx.manager.insert(ExternalReplicaEntity, {
      node_id: nodeId,
      version_id,
      served_model,
      served_version,
    });
  }
}

type ReplicaRow = ExternalReplica & { readonly node_id: string };

async function withReplicas(
  manager: EntityManager,
  rows: readonly ExternalNodeEntity[],
): Promise<ExternalNode[]> {
  const replicas = await manager.query<ReplicaRow[]>(
    `SELECT r.node_id, m.name AS model, v.number AS version, r.served_model, r.served_version
     FROM external_replicas r JOIN versions v ON v.id = r.version_id JOIN models m ON m.id = v.model_id
     WHERE r.node_id = ANY($1) ORDER BY m.name, v.number`,
    [rows.map((row) => row.id)],
  );
  return rows.map((row) =>
    toExternalNode(row, replicas.filter((replica) => replica.node_id === row.id).map(toExternalReplica)),
  );
}
