/**
 * Ends what has had its time: leases of holders that were not heard for too long (they may have spent them, so what they held counts
 * as used; only concurrency is free again, once their last request must be over), and overrides.
 */
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import type { Logger } from '#platform/logger';
import { endLease } from '#quota/ledger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { lockCountsOf, readRules, writeCounts } from './ledger-store.js';
import { endOverrides } from './overrides.service.js';

/** An override that has ended is out of force at every gateway within 2 s. */
const sweepEveryMs = 1_000;
const actor = { subject: 'system', requestId: undefined };

@Injectable()
export class QuotaSweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> | undefined;
  private readonly heard = new SeenSince();
  private readonly ended = new SeenSince();

  constructor(
    private readonly transactions: Transactions,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.sweeping ??= this.sweep()
        .catch((error: unknown) => this.logger.warn({ err: error }, 'quota leases could not be checked'))
        .finally(() => {
          this.sweeping = undefined;
        });
    }, sweepEveryMs);
    this.timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.sweeping;
  }

  /**
   * Time is that of this process, which nobody sets: were the database's clock set forward, gateways that live would still spend
   * what they hold, and their requests would still run.
   */
  async sweep(nowMs = performance.now()): Promise<void> {
    const leaseMs = this.config.SLUICE_QUOTA_LEASE_MS;
    await this.transactions.write(actor, endOverrides);
    await this.transactions.write(actor, async (tx) => {
      const silent = this.heard.longerThan(() => leaseMs, nowMs, await readAlive(tx));
      await endLeases(tx, await lockUnheard(tx, silent), 'all else');
      await tx.manager.query(deleteFreed);
    });
    await this.transactions.write(actor, async (tx) => {
      // The last request must be over, even if it began just before its gateway had to stop.
      const waitMs = ({ hold_ms: holdMs }: EndedHolder): number => leaseMs + holdMs;
      const over = this.ended.longerThan(waitMs, nowMs, await lockEnded(tx));
      await endLeases(tx, holdersOf(over), 'concurrency');
    });
  }
}

/** A holder at one moment: another call of it is another state. */
interface Seen {
  readonly holder: string;
  readonly state: string;
}

const holdersOf = (all: readonly Seen[]): string[] => all.map(({ holder }) => holder);

/** Since when this process has seen each holder as it is. */
class SeenSince {
  private sinceMs: ReadonlyMap<string, number> = new Map();

  /** @param all that there are now: others are forgotten. @returns those that have been as they are for so long */
  longerThan<T extends Seen>(waitMs: (one: T) => number, nowMs: number, all: readonly T[]): T[] {
    const last = this.sinceMs;
    const keyOf = ({ holder, state }: Seen): string => `${holder} ${state}`;
    this.sinceMs = new Map(all.map((one) => [keyOf(one), last.get(keyOf(one)) ?? nowMs]));
    return all.filter((one) => nowMs - (last.get(keyOf(one)) ?? nowMs) >= waitMs(one));
  }
}

interface EndedHolder extends Seen {
  /** The longest that a request can last. */
  readonly hold_ms: number;
}

/** In place of a holder's `hold_ms`: what it held of concurrency is free again. */
const freed = -1;

/** They are kept for a day: they must never come back. */
const deleteFreed = `
  DELETE FROM quota_holders WHERE ended AND hold_ms = ${freed} AND expires_at < now() - interval '1 day'`;

const readAlive = ({ manager }: WriteContext): Promise<Seen[]> =>
  manager.query<Seen[]>('SELECT holder, expires_at::text AS state FROM quota_holders WHERE NOT ended');

/** Those that no call has changed meanwhile. Holders before counts, as lease calls lock them. */
async function lockUnheard({ manager }: WriteContext, silent: readonly Seen[]): Promise<string[]> {
  if (silent.length === 0) return [];
  const rows = await manager.query<Seen[]>(
    `SELECT h.holder FROM quota_holders h JOIN json_to_recordset($1) AS s(holder uuid, state text)
       ON s.holder = h.holder AND s.state = h.expires_at::text WHERE NOT h.ended ORDER BY h.holder FOR UPDATE OF h`,
    [JSON.stringify(silent)],
  );
  return holdersOf(rows);
}

const lockEnded = ({ manager }: WriteContext): Promise<EndedHolder[]> =>
  manager.query<EndedHolder[]>(
    `SELECT holder, '' AS state, hold_ms FROM quota_holders WHERE ended AND hold_ms >= 0 ORDER BY holder FOR UPDATE`,
  );

/** @param units requests at a time, which are freed, or all else, which counts as used */
async function endLeases(
  { manager }: WriteContext,
  holders: readonly string[],
  units: 'concurrency' | 'all else',
): Promise<void> {
  if (holders.length === 0) return;
  const isConcurrency = units === 'concurrency';
  const counts = await lockCountsOf(manager, holders, isConcurrency);
  const rules = await readRules(manager, [...new Set(counts.map(({ quota_id }) => quota_id))]);
  const ended = counts.map((count) => {
    const rule = rules.get(count.quota_id);
    return rule
      ? holders.reduce((row, holder) => ({ ...count, ...endLease(rule, row, holder, rule.nowMs) }), count)
      : count;
  });
  await writeCounts(manager, ended);
  const change = isConcurrency ? `hold_ms = ${freed}` : 'ended = true';
  await manager.query(`UPDATE quota_holders SET ${change} WHERE holder = ANY($1::uuid[])`, [holders]);
}
