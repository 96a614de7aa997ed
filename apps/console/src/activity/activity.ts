/** One list of what changed, from the events and the audit log, which tell of the same changes. Pure. */
import type { AuditEntry } from '#contracts/clients';
import type { ChangeEvent } from '#contracts/events';

export interface ActivityEntry {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly subject: string;
  readonly actor: string;
  readonly data: unknown;
}

const fromAudit = ({ id, at, action, subject, actor, before, after }: AuditEntry): ActivityEntry => ({
  id,
  at,
  type: action,
  subject,
  actor,
  data: after ?? before,
});

/** Newest first; an event and the audit entry of the same change have one id. */
export function mergeActivity(
  changes: readonly ChangeEvent[],
  audit: readonly AuditEntry[],
): readonly ActivityEntry[] {
  const told = new Set(changes.map(({ id }) => id));
  const earlier = audit.filter(({ id }) => !told.has(id)).map(fromAudit);
  return [...changes, ...earlier].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
}

/** `version` of `version.ready`. */
export const nounOf = (type: string): string => type.split('.', 1)[0] ?? type;
