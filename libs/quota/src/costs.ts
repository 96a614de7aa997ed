/** What requests cost, in each unit that a quota can limit. */
import type { SnapshotQuota } from '#contracts/snapshot';

/** What a request costs, or is thought to cost at most. */
export type Costs = Readonly<Record<SnapshotQuota['unit'], number>>;

/** Of a request under quotas that only count requests. */
export const oneRequest: Costs = { requests: 1, rows: 0, bytes: 0, compute_ms: 0, concurrency: 1 };
export const noCosts: Costs = { requests: 0, rows: 0, bytes: 0, compute_ms: 0, concurrency: 0 };
