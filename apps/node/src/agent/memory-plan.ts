/** Which versions leave this node's memory for others: the one used longest ago first, never a pinned or a busy one. Pure. */

export interface Holder {
  readonly version_id: string;
  /** Memory held now; 0 when it was evicted or has not been loaded yet. */
  readonly residentBytes: number;
  readonly isPinned: boolean;
  /** In memory, not pinned, without a job. */
  readonly isEvictable: boolean;
  readonly lastUsedMs: number;
}

export type Room<H extends Holder> =
  | { readonly kind: 'take'; readonly evict: readonly H[] }
  /** Others are busy: ask again when one of them is not. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'never'; readonly reason: string };

export interface Memory {
  readonly capacityBytes: number;
  /** Promised to loads that are under way. */
  readonly reservedBytes: number;
}

/**
 * Room for `bytes` of the version. What another config revision of it holds counts as its own: that one leaves when the
 * new one serves, and a change of config must not wait for it.
 */
export function roomFor<H extends Holder>(
  { versionId, bytes }: { readonly versionId: string; readonly bytes: number },
  holders: readonly H[],
  { capacityBytes, reservedBytes }: Memory,
): Room<H> {
  const others = holders.filter((holder) => holder.version_id !== versionId);
  const own = sum(holders) - sum(others);
  const growth = Math.max(0, bytes - own);
  const pinned = sum(others.filter((holder) => holder.isPinned));
  if (growth > 0 && bytes > capacityBytes - pinned)
    return { kind: 'never', reason: neverFits(bytes, capacityBytes, pinned) };
  const shortage = sum(holders) + reservedBytes + growth - capacityBytes;
  const evict = evictions(others, shortage);
  return evict ? { kind: 'take', evict } : { kind: 'wait' };
}

/** The idle versions that give at least `shortageBytes`; undefined when all of them do not. */
export function evictions<H extends Holder>(holders: readonly H[], shortageBytes: number): H[] | undefined {
  const chosen: H[] = [];
  let left = shortageBytes;
  for (const holder of leastRecent(holders)) {
    if (left <= 0) break;
    chosen.push(holder);
    left -= holder.residentBytes;
  }
  return left <= 0 ? chosen : undefined;
}

/** Those that may be evicted, the one used longest ago first. */
export const leastRecent = <H extends Holder>(holders: readonly H[]): H[] =>
  holders.filter((holder) => holder.isEvictable).sort((a, b) => a.lastUsedMs - b.lastUsedMs);

export const sum = (holders: readonly Holder[]): number =>
  holders.reduce((bytes, holder) => bytes + holder.residentBytes, 0);

const toMiB = (bytes: number): number => Math.ceil(bytes / 1_048_576);

function neverFits(bytes: number, capacityBytes: number, pinned: number): string {
  const taken = pinned > 0 ? `, of which pinned versions hold ${toMiB(pinned)} MiB` : '';
  return `It needs ${toMiB(bytes)} MiB of memory; this node has ${toMiB(capacityBytes)} MiB${taken}.`;
}
