/**
 * The ledger of quotas: what was used of each limit, and which gateway holds how much of it. Lease calls that come while a
 * transaction is under way share the next one: it locks their holders, then the counts in the order of their keys, and leaves the
 * arithmetic to `#quota/ledger`. The clock is the database's.
 */
import type { LeaseAnswer, LeaseCall, LeaseGrant, QuotaAlert } from '#contracts/quotas';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { asRepeated, emptyRow, serve } from '#quota/ledger';
import type { LedgerRow } from '#quota/ledger';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { enterHolders, lockCounts, nameOf, readRules, ruleOf, writeCounts } from './ledger-store.js';
import type { Count, CountKey, TimedRule } from './ledger-store.js';

/** Leases end a little later here than at their holders. */
const graceMs = 1_000;
/** Of one transaction: more would keep those that come later waiting. */
const maxItems = 2_000;

const actor = { subject: 'system', requestId: undefined };

interface Waiting {
  readonly call: LeaseCall;
  readonly gateway: string;
  readonly resolve: (answer: LeaseAnswer) => void;
  readonly reject: (error: unknown) => void;
}

@Injectable()
export class QuotaLedger {
  private queue: Waiting[] = [];
  private isBusy = false;

  constructor(
    private readonly transactions: Transactions,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** @throws SluiceError LEASE_LOST for a holder whose leases have ended, and for a call that a later one of its holder overtook */
  lease(call: LeaseCall, gateway: string): Promise<LeaseAnswer> {
    return new Promise((resolve, reject) => {
      this.queue.push({ call, gateway, resolve, reject });
      if (!this.isBusy) void this.work();
    });
  }

  private async work(): Promise<void> {
    this.isBusy = true;
    while (this.queue.length > 0) {
      const { taken, left } = takeBatch(this.queue);
      this.queue = left;
      await this.serve(taken);
    }
    this.isBusy = false;
  }

  /** What fails together is tried apart, so that no gateway suffers for another one's call. */
  private async serve(batch: readonly Waiting[]): Promise<void> {
    try {
      const answers = await this.transactions.write(actor, (tx) => this.run(tx, batch));
      for (const { call, resolve, reject } of batch) {
        const answer = answers.get(call.holder);
        if (answer) resolve(answer);
        else reject(new SluiceError('LEASE_LOST', 'The leases of this holder have ended. Begin anew.'));
      }
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const one of batch) await this.serve([one]);
    }
  }

  private async run(tx: WriteContext, batch: readonly Waiting[]): Promise<Map<string, LeaseAnswer>> {
    const leaseMs = this.config.SLUICE_QUOTA_LEASE_MS;
    const { last, gateways } = await enterHolders(tx.manager, batch, leaseMs + graceMs);
    const calls = batch.flatMap(({ call }) => {
      const before = last.get(call.holder);
      if (before === undefined || call.sequence < before) return [];
      return [{ ...call, isRepeated: call.sequence === before }];
    });
    const items = calls.flatMap((call) => call.items);
    const rules = await readRules(tx.manager, quotaIdsOf(items));
    const counts = await lockCounts(
      tx.manager,
      items.filter(({ quota_id }) => rules.has(quota_id)),
    );
    const changes = new Changes(rules, counts);
    const answers = new Map(
      calls.map((call) => [call.holder, { lease_ms: leaseMs, gateways, grants: changes.serve(call) }]),
    );
    await writeCounts(tx.manager, changes.counts(), calls);
    for (const alert of changes.alerts)
      await tx.event({ type: 'quota.alert', subject: `quotas/${alert.quota}`, data: alert });
    return answers;
  }
}

/** The calls of the next transaction: one of each holder. */
function takeBatch(queue: readonly Waiting[]): { taken: Waiting[]; left: Waiting[] } {
  const taken: Waiting[] = [];
  const left: Waiting[] = [];
  const holders = new Set<string>();
  let items = 0;
  for (const one of queue) {
    const { holder, items: own } = one.call;
    const fits = taken.length === 0 || items + own.length <= maxItems;
    if (!fits || holders.has(holder)) left.push(one);
    else {
      taken.push(one);
      items += own.length;
    }
    holders.add(holder);
  }
  return { taken, left };
}

const quotaIdsOf = (items: readonly CountKey[]): string[] => [
  ...new Set(items.map(({ quota_id }) => quota_id)),
];

/** What the calls of one transaction make of the counts that it has locked. */
class Changes {
  readonly alerts: QuotaAlert[] = [];
  private readonly changed = new Map<string, Count>();

  constructor(
    private readonly rules: ReadonlyMap<string, TimedRule>,
    private readonly locked: ReadonlyMap<string, LedgerRow>,
  ) {}

  counts(): Count[] {
    return [...this.changed.values()];
  }

  serve({ holder, items, isRepeated }: LeaseCall & { readonly isRepeated: boolean }): LeaseGrant[] {
    return items.flatMap((item): LeaseGrant[] => {
      const { quota_id, key } = item;
      const timed = this.rules.get(quota_id);
      if (!timed) return [];
      const rule = ruleOf(timed, key);
      const name = nameOf(item);
      const before = this.changed.get(name) ?? this.locked.get(name) ?? emptyRow;
      const served = serve(rule, before, holder, isRepeated ? asRepeated(item) : item, timed.nowMs);
      this.changed.set(name, { quota_id, key, ...served.row });
      for (const share of served.alerts)
        this.alerts.push({
          quota: timed.name,
          client_id: key === '' ? null : key,
          share,
          used: served.row.used,
          limit: rule.limit,
          window_start: new Date(served.row.windowStartMs).toISOString(),
        });
      return [{ quota_id, key, ...served.grant }];
    });
  }
}
