/**
 * What a node's report changes: the states of its replicas, and what that says about the versions. Pure.
 * A report is the whole truth about what the node holds now; what is wanted of it is decided by placement alone.
 */
import type { VersionStatus } from '#contracts/models';
import type { NextRevision, ReplicaReport, ReplicaState } from '#contracts/nodes';
import type { Profile, Signature } from '#contracts/tensors';

/** A replica as the database has it. */
export interface KnownReplica {
  readonly version_id: string;
  readonly wanted: boolean;
  readonly state: ReplicaState;
  readonly reported_config_revision: number | null;
  readonly reason: string | null;
  readonly next: NextRevision | null;
  readonly attempts: number;
  readonly retry_at: Date | null;
  readonly version_status: VersionStatus;
  /** Failed tries of the version on other nodes. */
  readonly attempts_elsewhere: number;
}

/** The columns that a report sets. */
export interface ReplicaChange {
  readonly version_id: string;
  readonly state: ReplicaState;
  readonly reported_config_revision: number | null;
  readonly reason: string | null;
  readonly next: NextRevision | null;
  readonly attempts: number;
  readonly retry_at: Date | null;
}

export interface ReportOutcome {
  readonly changed: readonly ReplicaChange[];
  /** Neither wanted nor held any more. */
  readonly gone: readonly string[];
  readonly ready: readonly {
    readonly version_id: string;
    readonly signature: Signature;
    readonly profile: Profile;
  }[];
  readonly failed: readonly { readonly version_id: string; readonly reason: string }[];
  /** What can serve on this node is not the same as before. */
  readonly servingChanged: boolean;
  /** Placement has a reason to look again. */
  readonly placementChanged: boolean;
}

/** Tries of a version that has never been READY before it counts as FAILED. */
export const maxPendingAttempts = 3;
const firstRetryMs = 2_000;
const maxRetryMs = 300_000;

/** How long after its nth failure in a row a replica is tried again. */
export const retryDelayMs = (attempts: number): number =>
  Math.min(firstRetryMs * 2 ** (attempts - 1), maxRetryMs);

/** Compares a report with what is known. Reports about versions that the node was never given are left out. */
export function applyReport(
  known: readonly KnownReplica[],
  reports: readonly ReplicaReport[],
  nowMs: number,
): ReportOutcome {
  const byVersion = told(reports);
  const changes: { readonly before: KnownReplica; readonly after: ReplicaChange }[] = [];
  const gone: KnownReplica[] = [];
  for (const replica of known) {
    const report = byVersion.get(replica.version_id);
    if (report === undefined && !replica.wanted && !isBackingOff(replica)) gone.push(replica);
    else {
      const after = report === undefined ? withoutReport(replica) : withReport(replica, report, nowMs);
      if (!isSame(replica, after)) changes.push({ before: replica, after });
    }
  }
  return {
    changed: changes.map((change) => change.after),
    gone: gone.map((replica) => replica.version_id),
    ...verdicts(known, byVersion, changes),
    servingChanged:
      changes.some(({ before, after }) => (before.state === 'READY') !== (after.state === 'READY')) ||
      gone.some((replica) => replica.state === 'READY'),
    placementChanged: changes.some(
      ({ before, after }) =>
        (before.state !== after.state && (isSettled(after.state) || isSettled(before.state))) ||
        (before.next?.state === 'FAILED') !== (after.next?.state === 'FAILED'),
    ),
  };
}

/** What a node says of one version. */
interface Told {
  /** Of the revision that counts: one that is READY, before any other. */
  readonly main: ReplicaReport;
  /** Of a newer one beside it. */
  readonly next: NextRevision | null;
}

/** While a new config revision is loaded, or has failed to, the node reports the old one beside it. */
function told(reports: readonly ReplicaReport[]): Map<string, Told> {
  const groups = new Map<string, ReplicaReport[]>();
  for (const report of reports) {
    const group = groups.get(report.version_id);
    if (group) group.push(report);
    else groups.set(report.version_id, [report]);
  }
  return new Map(
    [...groups].flatMap(([versionId, group]) => {
      const newestFirst = group.sort((a, b) => b.config_revision - a.config_revision);
      const main = newestFirst.find((report) => report.state === 'READY') ?? newestFirst[0];
      return main ? [[versionId, { main, next: nextOf(newestFirst[0], main) }]] : [];
    }),
  );
}

function nextOf(newest: ReplicaReport | undefined, main: ReplicaReport): NextRevision | null {
  if (!newest || newest === main) return null;
  const { config_revision, state } = newest;
  return { config_revision, state, reason: state === 'FAILED' ? reasonOf(newest) : newest.reason };
}

/** The memory of a failure, which keeps placement from trying again at once. */
const isBackingOff = (replica: KnownReplica): boolean => replica.state === 'FAILED' && replica.attempts > 0;

const isSettled = (state: ReplicaState): boolean => state === 'READY' || state === 'FAILED';

/** The node does not hold it (yet): a wanted replica starts anew, the memory of a failure stays. */
function withoutReport(replica: KnownReplica): ReplicaChange {
  if (!replica.wanted) return replica;
  return { ...replica, state: 'ASSIGNED', reported_config_revision: null, reason: null, next: null };
}

function withReport(replica: KnownReplica, { main: report, next }: Told, nowMs: number): ReplicaChange {
  const after = {
    version_id: replica.version_id,
    state: report.state,
    reported_config_revision: report.config_revision,
    reason: report.state === 'FAILED' ? reasonOf(report) : report.reason,
    next,
    attempts: replica.attempts,
    retry_at: replica.retry_at,
  };
  if (report.state === 'READY') return { ...after, attempts: 0, retry_at: null };
  if (!isNewFailure(replica, report)) return after;
  const attempts = replica.attempts + 1;
  const delayMs = report.permanent ? maxRetryMs : retryDelayMs(attempts);
  return { ...after, attempts, retry_at: new Date(nowMs + delayMs) };
}

/** A failure is reported again and again until the node is told to let go; it counts once. */
const isNewFailure = (replica: KnownReplica, report: ReplicaReport): boolean =>
  replica.wanted &&
  report.state === 'FAILED' &&
  (replica.state !== 'FAILED' || replica.reported_config_revision !== report.config_revision);

const reasonOf = (report: ReplicaReport): string => report.reason ?? 'The node gave no reason.';

function verdicts(
  known: readonly KnownReplica[],
  reports: ReadonlyMap<string, Told>,
  changes: readonly { readonly after: ReplicaChange }[],
): Pick<ReportOutcome, 'ready' | 'failed'> {
  const changed = new Map(changes.map(({ after }) => [after.version_id, after]));
  const ready: ReportOutcome['ready'][number][] = [];
  const failed: ReportOutcome['failed'][number][] = [];
  for (const replica of known.filter((one) => one.version_status === 'PENDING')) {
    const { version_id } = replica;
    const report = reports.get(version_id)?.main;
    if (report?.state === 'READY' && report.signature && report.profile)
      ready.push({ version_id, signature: report.signature, profile: report.profile });
    if (report?.state !== 'FAILED') continue;
    const attempts = (changed.get(version_id)?.attempts ?? replica.attempts) + replica.attempts_elsewhere;
    if (report.permanent) failed.push({ version_id, reason: reasonOf(report) });
    else if (attempts >= maxPendingAttempts)
      failed.push({
        version_id,
        reason: `It failed ${attempts} times. The last reason: ${reasonOf(report)}`,
      });
  }
  return { ready, failed };
}

const isSame = (before: KnownReplica, after: ReplicaChange): boolean =>
  before.state === after.state &&
  before.reported_config_revision === after.reported_config_revision &&
  before.reason === after.reason &&
  isSameNext(before.next, after.next) &&
  before.attempts === after.attempts &&
  before.retry_at?.getTime() === after.retry_at?.getTime();

const isSameNext = (a: NextRevision | null, b: NextRevision | null): boolean =>
  a?.config_revision === b?.config_revision && a?.state === b?.state && a?.reason === b?.reason;
