/**
 * Brings the wanted replicas in line with the plan: reads, plans, writes, in one transaction that one process at a time
 * can be in. The plan itself is made by `#routing/placement`. Running it again changes nothing.
 */
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import type { Logger } from '#platform/logger';
import { planPlacement } from '#routing/placement';
import type { PlacementNode } from '#routing/placement';
import { Inject, Injectable } from '@nestjs/common';
import { LOGGER } from '../config.js';
import { diffPlacement } from './placement-diff.js';
import type { PlacementDiff } from './placement-diff.js';
import { toCurrent, toWanted } from './placement-input.js';
import {
  forgetLostNodes,
  lockNodes,
  readNodes,
  readReplicas,
  readVersions,
  writeDiff,
} from './placement-store.js';
import { tellNodes } from './tell-nodes.js';

const placementLock = 7_201_004;
/** Nodes may be given so many times what fits into their memory at once: what is idle there makes room for what is asked for. */
const overcommit = 4;
const actor = { subject: 'system', requestId: undefined };

@Injectable()
export class PlacementService {
  constructor(
    private readonly transactions: Transactions,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async run(): Promise<void> {
    const diff = await this.transactions.write(actor, (tx) => this.place(tx));
    if (diff.nodeIds.length === 0 && diff.reasons.length === 0) return;
    const { wanted, unwanted, reasons } = diff;
    this.logger.info({ wanted: wanted.length, unwanted: unwanted.length, reasons }, 'placement changed');
  }

  private async place(tx: WriteContext): Promise<PlacementDiff> {
    const { manager } = tx;
    await manager.query('SELECT pg_advisory_xact_lock($1)', [placementLock]);
    // So that no report moves a replica's state between reading and writing.
    await lockNodes(manager);
    await forgetLostNodes(manager);
    const nodes = await readNodes(manager);
    const versions = new Map((await readVersions(manager)).map((version) => [version.id, version]));
    const rows = await readReplicas(manager);
    // The node with the most cores starts the most runners.
    const mostCores = Math.max(1, ...nodes.map(({ cores }) => cores));
    const plan = planPlacement(
      nodes.map(toPlacementNode),
      [...versions.values()].map((version) => toWanted(version, mostCores)),
      rows.flatMap((row) => toCurrent(row, versions.get(row.version_id)) ?? []),
      Date.now(),
      overcommit,
    );
    const diff = diffPlacement(plan, versions, rows);
    await writeDiff(manager, diff);
    await tellNodes(manager, diff.nodeIds);
    if (diff.routingChanged) tx.routingChanged();
    return diff;
  }
}

const toPlacementNode = (node: Awaited<ReturnType<typeof readNodes>>[number]): PlacementNode => ({
  id: node.id,
  memoryBytes: node.memory_bytes,
  schedulable: node.state === 'READY' && !node.cordoned,
  alive: node.state !== 'LOST',
});
