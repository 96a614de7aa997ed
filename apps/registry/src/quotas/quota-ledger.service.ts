/**
 * The ledger of quotas: what was used of each limit, and which gateway holds how much of it. One lease call is one transaction: it
 * locks the holder, then the counts in the order of their keys, and leaves the arithmetic to `#quota/ledger`. The clock is the database's.
 */
import type { LeaseAnswer, LeaseCall, LeaseGrant } from '#contracts/quotas';
import { retryDeadlocks } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { emptyRow, serve } from '#quota/ledger';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import {
  countHolders,
  deleteLeases,
  enterHolder,
  lockCounts,
  nameOf,
  readLeases,
  readRules,
  saveAnswer,
  writeCounts,
  writeLeases,
} from './ledger-store.js';
import type { Count, Lease } from './ledger-store.js';

/** Leases end a little later here than at their holders. */
const graceMs = 1_000;

@Injectable()
export class QuotaLedger {
  constructor(
    private readonly dataSource: DataSource,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** @throws SluiceError LEASE_LOST for a call that was overtaken by a later one of its holder */
  lease(call: LeaseCall, gateway: string): Promise<LeaseAnswer> {
    return retryDeadlocks(() => this.dataSource.transaction((manager) => this.serve(manager, call, gateway)));
  }

  private async serve(manager: EntityManager, call: LeaseCall, gateway: string): Promise<LeaseAnswer> {
    const { holder, sequence } = call;
    const last = await enterHolder(manager, holder, gateway);
    if (last.gateway !== gateway || sequence < last.sequence)
      throw new SluiceError('LEASE_LOST', 'A later call of this holder was answered already. Begin anew.');
    if (sequence === last.sequence && last.answer) return last.answer;
    const answer = {
      lease_ms: this.config.SLUICE_QUOTA_LEASE_MS,
      gateways: await countHolders(manager, this.config.SLUICE_QUOTA_LEASE_MS),
      grants: await this.grant(manager, call),
    };
    await saveAnswer(manager, holder, sequence, answer);
    return answer;
  }

  private async grant(manager: EntityManager, { holder, hold_ms, items }: LeaseCall): Promise<LeaseGrant[]> {
    const rules = await readRules(manager, [...new Set(items.map(({ quota_id }) => quota_id))]);
    const asked = items.filter(({ quota_id }) => rules.has(quota_id));
    const counts = await lockCounts(manager, asked);
    const leases = await readLeases(manager, holder, asked);
    const rolled: typeof asked = [];
    const grants: LeaseGrant[] = [];
    const held: Lease[] = [];
    const changed = new Map<string, Count>();
    for (const item of asked) {
      const rule = rules.get(item.quota_id);
      if (!rule) continue;
      const { quota_id, key } = item;
      const name = nameOf(item);
      const served = serve(rule, counts.get(name) ?? emptyRow, leases.get(name), item, rule.nowMs);
      if (served.rolled) rolled.push(item);
      const holdMs = rule.unit === 'concurrency' ? hold_ms : 0;
      const expiresAtMs = rule.nowMs + this.config.SLUICE_QUOTA_LEASE_MS + graceMs + holdMs;
      counts.set(name, served.row);
      leases.set(name, served.held);
      changed.set(name, { quota_id, key, ...served.row });
      held.push({ quota_id, key, amount: served.held, expiresAtMs });
      grants.push({ quota_id, key, ...served.grant });
    }
    await writeCounts(manager, [...changed.values()]);
    if (rolled.length > 0) await deleteLeases(manager, rolled, null);
    await writeLeases(manager, holder, held);
    return grants;
  }
}
