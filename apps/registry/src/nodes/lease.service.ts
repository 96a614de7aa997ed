/**
 * How nodes join and stay: registration by name, and renewals that carry what the node's replicas are doing.
 * Each call is one transaction that locks the node's row first; it decides nothing about where versions go.
 */
import type { NodeLease, NodeState, RegisterNode, RenewLease } from '#contracts/nodes';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { TokenIssuer } from '../auth/token-issuer.service.js';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import type { Caller } from '../http/caller.js';
import { JobQueue } from '../jobs/job-queue.js';
import { applyReport } from './replica-report.js';
import type { ReportOutcome } from './replica-report.js';
import { tellChanges } from './node-events.js';
import { readKnownReplicas, writeOutcome } from './replica-store.js';

/** A node may miss two renewals. */
const renewalsPerLease = 3;

interface LockedNode {
  readonly epoch: number;
  readonly state: NodeState;
}

@Injectable()
export class LeaseService {
  constructor(
    private readonly transactions: Transactions,
    private readonly tokens: TokenIssuer,
    private readonly jobs: JobQueue,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** A name that is known keeps its id and gets a new epoch, which locks out the process that had it before. */
  async register(node: RegisterNode, caller: Caller): Promise<NodeLease> {
    const { id, epoch } = await this.transactions.write(caller, async (tx) => {
      const registered = await this.upsertNode(tx, node);
      await startAnew(tx, registered.id);
      await tx.audit({ action: 'node.register', subject: `nodes/${registered.id}`, after: node });
      tx.routingChanged();
      return registered;
    });
    await this.jobs.lookAgain('placement');
    return this.toLease(id, epoch);
  }

  /** @throws SluiceError LEASE_LOST for a credential of an earlier registration */
  async renew(nodeId: string, report: RenewLease, caller: Caller): Promise<NodeLease> {
    const { epoch, placementChanged } = await this.transactions.write(caller, async (tx) => {
      const node = await lockNode(tx, nodeId, caller);
      const known = await readKnownReplicas(tx.manager, nodeId);
      const outcome = applyReport(known, report.replicas, Date.now());
      await writeOutcome(tx.manager, nodeId, outcome);
      const state = report.draining ? 'DRAINING' : 'READY';
      await this.extendLease(tx, nodeId, state);
      const stateChanged = node.state !== state;
      await tellChanges(tx, { nodeId, outcome, state: stateChanged ? state : undefined });
      if (stateChanged || changesRouting(outcome)) tx.routingChanged();
      const settled = outcome.ready.length > 0 || outcome.failed.length > 0;
      return { epoch: node.epoch, placementChanged: stateChanged || settled || outcome.placementChanged };
    });
    if (placementChanged) await this.jobs.lookAgain('placement');
    return this.toLease(nodeId, epoch);
  }

  private async upsertNode(tx: WriteContext, node: RegisterNode): Promise<{ id: string; epoch: number }> {
    const rows = await tx.manager.query<{ id: string; epoch: number }[]>(
      `INSERT INTO nodes (id, name, address, labels, cores, memory_bytes, program_version, state, lease_expires_at, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, 'READY', now() + $8 * interval '1 millisecond', now())
       ON CONFLICT (name) DO UPDATE SET
         address = excluded.address, labels = excluded.labels, cores = excluded.cores,
         memory_bytes = excluded.memory_bytes, program_version = excluded.program_version, state = 'READY',
         lease_expires_at = excluded.lease_expires_at, epoch = nodes.epoch + 1,
         assignments_revision = nodes.assignments_revision + 1
       RETURNING id, epoch`,
      [
        uuidv7(),
        node.name,
        node.address,
        JSON.stringify(node.labels),
        node.capacity.cores,
        node.capacity.memory_bytes,
        node.program_version,
        this.config.SLUICE_LEASE_MS,
      ],
    );
    const [registered] = rows;
    if (registered === undefined) throw new Error('registering a node returned no row');
    return registered;
  }

  private async extendLease(tx: WriteContext, nodeId: string, state: NodeState): Promise<void> {
    await tx.manager.query(
      `UPDATE nodes SET lease_expires_at = now() + $2 * interval '1 millisecond', state = $3 WHERE id = $1`,
      [nodeId, this.config.SLUICE_LEASE_MS, state],
    );
  }

  private async toLease(nodeId: string, epoch: number): Promise<NodeLease> {
    const { token } = await this.tokens.issueForNode(nodeId, epoch);
    const leaseMs = this.config.SLUICE_LEASE_MS;
    return {
      node_id: nodeId,
      credential: token,
      lease_ms: leaseMs,
      renew_every_ms: Math.floor(leaseMs / renewalsPerLease),
    };
  }
}

const changesRouting = (outcome: ReportOutcome): boolean =>
  outcome.servingChanged || outcome.ready.length > 0;

/** A new process holds nothing yet, and what failed in the old one may work in this one. */
async function startAnew(tx: WriteContext, nodeId: string): Promise<void> {
  await tx.manager.query(`DELETE FROM replicas WHERE node_id = $1 AND NOT wanted AND state <> 'FAILED'`, [
    nodeId,
  ]);
  await tx.manager.query(
    `UPDATE replicas SET
       state = CASE WHEN wanted THEN 'ASSIGNED' ELSE state END, reason = CASE WHEN wanted THEN NULL ELSE reason END,
       reported_config_revision = NULL, next = NULL, retry_at = NULL, updated_at = now()
     WHERE node_id = $1`,
    [nodeId],
  );
}

async function lockNode(tx: WriteContext, nodeId: string, caller: Caller): Promise<LockedNode> {
  const rows = await tx.manager.query<LockedNode[]>(
    'SELECT epoch, state FROM nodes WHERE id = $1 FOR NO KEY UPDATE',
    [nodeId],
  );
  const [node] = rows;
  if (node === undefined) throw nodeNotFound(nodeId);
  requireEpoch(node.epoch, caller);
  return node;
}

export const nodeNotFound = (nodeId: string): SluiceError =>
  new SluiceError('NODE_NOT_FOUND', `There is no node ${nodeId}. A node that was forgotten registers again.`);

/** @throws SluiceError LEASE_LOST when another process has registered under the node's name since */
export function requireEpoch(epoch: number, caller: Caller): void {
  if (caller.nodeEpoch === epoch) return;
  throw new SluiceError(
    'LEASE_LOST',
    'Another process has registered under this name since. Register again, or stop one of the two.',
  );
}
