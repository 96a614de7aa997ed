/**
 * All meters of one gateway. They outlive snapshots: a quota keeps its counts when its limit changes and loses them when its
 * window or scope does. Also knows which meters apply to a client and an endpoint, and how to write the counts down.
 */
import { z } from 'zod';
import type { SnapshotQuota } from '#contracts/snapshot';
import { newMeter, sweep } from './counter.js';
import type { Meter } from './counter.js';
import { windowLengthMs, windowStartMs } from './windows.js';

export const SavedCounter = z.object({
  quota_id: z.string(),
  key: z.string(),
  window_start_ms: z.int(),
  used: z.int().min(0),
});
export type SavedCounter = z.infer<typeof SavedCounter>;

/** Remembered answers of {@link QuotaBook.metersFor}, all endpoints together. */
const maxRemembered = 20_000;

const shapeOf = (quota: SnapshotQuota): string =>
  `${quota.window} ${quota.per_client} ${quota.client_id} ${quota.endpoint}`;

const applies = (quota: SnapshotQuota, endpoint: string, client: string): boolean =>
  (quota.endpoint === null || quota.endpoint === endpoint) &&
  (quota.client_id === null || quota.client_id === client);

export class QuotaBook {
  private meters = new Map<string, Meter>();
  private general: readonly Meter[] = [];
  private byClient = new Map<string, Meter[]>();
  private remembered = new Map<string, Map<string, readonly Meter[]>>();
  private rememberedCount = 0;

  /** Takes over the quotas of a new snapshot. */
  replace(quotas: readonly SnapshotQuota[]): void {
    const next = new Map<string, Meter>();
    for (const quota of quotas) {
      const old = this.meters.get(quota.id);
      if (old && shapeOf(old.quota) === shapeOf(quota)) {
        old.quota = quota;
        next.set(quota.id, old);
      } else next.set(quota.id, newMeter(quota));
    }
    this.meters = next;
    const all = [...next.values()];
    this.general = all.filter((meter) => meter.quota.client_id === null);
    this.byClient = new Map();
    for (const meter of all) {
      const client = meter.quota.client_id;
      if (client !== null) this.byClient.set(client, [...(this.byClient.get(client) ?? []), meter]);
    }
    this.forget();
  }

  /** Every meter that must admit a request of `client` to `endpoint`. */
  metersFor(endpoint: string, client: string): readonly Meter[] {
    if (this.meters.size === 0) return [];
    let clients = this.remembered.get(endpoint);
    const known = clients?.get(client);
    if (known) return known;
    if (this.rememberedCount >= maxRemembered) {
      this.forget();
      clients = undefined;
    }
    const found = [...this.general, ...(this.byClient.get(client) ?? [])].filter((meter) =>
      applies(meter.quota, endpoint, client),
    );
    if (clients === undefined) this.remembered.set(endpoint, (clients = new Map()));
    clients.set(client, found);
    this.rememberedCount += 1;
    return found;
  }

  /** Frees counters of past windows. */
  sweep(nowMs: number): void {
    for (const meter of this.meters.values()) sweep(meter, nowMs);
  }

  /** Counts worth keeping over a restart. */
  save(nowMs: number): SavedCounter[] {
    const rows: SavedCounter[] = [];
    for (const { id, quota, counters } of this.meters.values()) {
      const current = windowStartMs(quota.window, nowMs);
      for (const [key, counter] of counters)
        if (counter.used > 0 && counter.windowStartMs >= current)
          rows.push({ quota_id: id, key, window_start_ms: counter.windowStartMs, used: counter.used });
    }
    return rows;
  }

  /** Takes saved counts back. A window that lies wholly in the future came from a wrong clock and is dropped. */
  restore(rows: readonly SavedCounter[], nowMs: number): void {
    for (const row of rows) {
      const meter = this.meters.get(row.quota_id);
      if (!meter || row.window_start_ms > nowMs + windowLengthMs(meter.quota.window)) continue;
      const counter = meter.counters.get(row.key);
      if (counter && counter.windowStartMs > row.window_start_ms) continue;
      const used = counter?.windowStartMs === row.window_start_ms ? counter.used + row.used : row.used;
      meter.counters.set(row.key, { windowStartMs: row.window_start_ms, used });
    }
  }

  private forget(): void {
    this.remembered = new Map();
    this.rememberedCount = 0;
  }
}
