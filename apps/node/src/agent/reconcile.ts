/**
 * The agent's one decision: what to do so that the replicas become what the registry assigned. Pure; it runs after every
 * change of either side. A new config revision is loaded beside the old one, which leaves only when the new one is READY.
 */
import type { ReplicaState } from '#contracts/nodes';

export interface Wanted {
  readonly version_id: string;
  readonly config_revision: number;
}

export interface Present extends Wanted {
  readonly state: ReplicaState;
  /** When a FAILED replica may try again; undefined when it must not, or does so by itself. */
  readonly retryAtMs: number | undefined;
}

export type Action<W extends Wanted, P extends Present> =
  | { readonly kind: 'start'; readonly assignment: W }
  | { readonly kind: 'retry'; readonly replica: P }
  /** It serves and shall leave: callers get time to go elsewhere. */
  | { readonly kind: 'drain'; readonly replica: P }
  /** It was leaving and is wanted again. */
  | { readonly kind: 'revive'; readonly replica: P }
  /** It never served: it can go at once. */
  | { readonly kind: 'drop'; readonly replica: P };

const isSame = (a: Wanted, b: Wanted): boolean =>
  a.version_id === b.version_id && a.config_revision === b.config_revision;

export function reconcile<W extends Wanted, P extends Present>(
  assignments: readonly W[],
  replicas: readonly P[],
  nowMs: number,
): Action<W, P>[] {
  const starts = assignments
    .filter((assignment) => !replicas.some((replica) => isSame(replica, assignment)))
    .map((assignment): Action<W, P> => ({ kind: 'start', assignment }));
  const others = replicas.flatMap((replica): Action<W, P>[] => {
    const isWanted = assignments.some((assignment) => isSame(assignment, replica));
    const action = isWanted ? keep(replica, nowMs) : leave(replica, assignments, replicas);
    return action ? [action] : [];
  });
  return [...starts, ...others];
}

function keep<P extends Present>(replica: P, nowMs: number): Action<never, P> | undefined {
  if (replica.state === 'DRAINING') return { kind: 'revive', replica };
  const isDue = replica.retryAtMs !== undefined && replica.retryAtMs <= nowMs;
  return replica.state === 'FAILED' && isDue ? { kind: 'retry', replica } : undefined;
}

function leave<P extends Present>(
  replica: P,
  assignments: readonly Wanted[],
  replicas: readonly Present[],
): Action<never, P> | undefined {
  switch (replica.state) {
    case 'DRAINING':
      return undefined;
    case 'READY':
      return awaitsSuccessor(replica, assignments, replicas) ? undefined : { kind: 'drain', replica };
    case 'ASSIGNED':
    case 'FETCHING':
    case 'LOADING':
    case 'FAILED':
      return { kind: 'drop', replica };
    default:
      return replica.state satisfies never;
  }
}

/** Another revision of the same version is assigned and does not serve yet. */
function awaitsSuccessor(
  replica: Wanted,
  assignments: readonly Wanted[],
  replicas: readonly Present[],
): boolean {
  const successor = assignments.find(({ version_id }) => version_id === replica.version_id);
  if (!successor) return false;
  return !replicas.some((other) => isSame(other, successor) && other.state === 'READY');
}
