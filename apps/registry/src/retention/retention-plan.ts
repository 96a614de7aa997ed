/** Which versions a rule lets go: pure, so that what is shown before is what is done later. */
import type { RetentionPreview, RetentionRule } from '#contracts/retention';
import type { VersionStatus } from '#contracts/models';

export interface RetainedVersion {
  readonly number: number;
  readonly status: VersionStatus;
  readonly createdAt: Date;
  readonly isArchived: boolean;
  readonly hasTraffic: boolean;
  readonly hasAlias: boolean;
}

type KeepReason = RetentionPreview['keep'][number]['reason'];
const dayMs = 86_400_000;

export function planRetention(
  versions: readonly RetainedVersion[],
  rule: RetentionRule,
  now: Date,
): RetentionPreview {
  const plan: RetentionPreview = { archive: [], delete: [], keep: [], at: now.toISOString() };
  const newestFirst = versions.toSorted((one, other) => other.number - one.number);
  for (const [place, version] of newestFirst.entries()) {
    const reason = keepReason(version, place, rule, now);
    if (reason !== undefined) plan.keep.push({ version: version.number, reason });
    else if (version.isArchived) plan.delete.push(version.number);
    else plan.archive.push(version.number);
  }
  return plan;
}

function keepReason(
  version: RetainedVersion,
  place: number,
  rule: RetentionRule,
  now: Date,
): KeepReason | undefined {
  if (version.hasTraffic) return 'traffic';
  if (version.hasAlias) return 'alias';
  if (place < rule.keep_last) return 'newest';
  if (now.getTime() - version.createdAt.getTime() < rule.older_than_days * dayMs) return 'young';
  if (version.isArchived) return rule.action === 'delete' ? undefined : 'archived';
  return version.status === 'PENDING' ? 'pending' : undefined;
}
