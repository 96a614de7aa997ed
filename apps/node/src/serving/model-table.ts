/** What this node can answer for right now: an immutable table that is swapped whole when a replica changes. */
import type { ReplicaState } from '#contracts/nodes';
import type { Signature } from '#contracts/tensors';
import type { RunnerPool } from './runner-pool.js';

export interface ServedVersion {
  readonly model: string;
  readonly version: number;
  readonly configRevision: number;
  /** READY takes new callers; DRAINING still answers those who name it. */
  readonly state: 'READY' | 'DRAINING';
  readonly signature: Signature;
  readonly defaultTimeoutMs: number;
  readonly batching: BatchLimits;
  /** Runner processes. */
  readonly instances: number;
  readonly pool: Pick<RunnerPool, 'submit' | 'inFlight' | 'residentBytes'>;
}

/** How far requests for a version are joined. */
export interface BatchLimits {
  /** 0: they are run one by one. */
  readonly maxRows: number;
  readonly maxDelayUs: number;
}

export interface HeldVersion {
  readonly model: string;
  readonly version: number;
  readonly state: ReplicaState;
  readonly reason: string | null;
}

/** The names that a version has at the moment. */
export interface NamedVersion {
  readonly model: string;
  readonly version: number;
  readonly aliases: readonly string[];
}

export interface ModelTable {
  /** The version asked for, or the highest READY one. */
  find(model: string, version?: number): ServedVersion | undefined;
  /** The version of this alias, if the node was given it. */
  named(model: string, alias: string): number | undefined;
  /** READY versions of a model, ascending. */
  readyVersions(model: string): readonly number[];
  /** Whether the node holds the model, or this version of it, in any state. */
  holds(model: string, version?: number): boolean;
  /** All that can be answered for, by name and version. */
  readonly served: readonly ServedVersion[];
  /** All that the node has in whatever state, by name and version. */
  readonly held: readonly HeldVersion[];
}

/** @param held everything that the node has in whatever state */
export function modelTable(
  served: readonly ServedVersion[],
  held: readonly HeldVersion[],
  names: readonly NamedVersion[] = [],
): ModelTable {
  const byModel = bestOf(served, isBetter);
  const heldByModel = bestOf(held, (candidate, current) => rank(candidate) > rank(current));
  const ready = new Map(
    [...byModel].map(([model, versions]) => [
      model,
      [...versions.values()]
        .filter(({ state }) => state === 'READY')
        .map(({ version }) => version)
        .sort((a, b) => a - b),
    ]),
  );
  return {
    find(model, version) {
      const wanted = version ?? ready.get(model)?.at(-1);
      return wanted === undefined ? undefined : byModel.get(model)?.get(wanted);
    },
    named: (model, alias) => names.find((one) => one.model === model && one.aliases.includes(alias))?.version,
    readyVersions: (model) => ready.get(model) ?? [],
    holds: (model, version) =>
      version === undefined ? heldByModel.has(model) : heldByModel.get(model)?.has(version) === true,
    served: sorted(byModel),
    held: sorted(heldByModel),
  };
}

type ByModel<T> = Map<string, Map<number, T>>;
type Keyed = Pick<HeldVersion, 'model' | 'version'>;

/** One of each version: it may be there at several config revisions. */
function bestOf<T extends Keyed>(all: readonly T[], isBetterThan: (one: T, other: T) => boolean): ByModel<T> {
  const byModel: ByModel<T> = new Map();
  for (const candidate of all) {
    const versions = byModel.get(candidate.model) ?? new Map<number, T>();
    byModel.set(candidate.model, versions);
    const current = versions.get(candidate.version);
    if (!current || isBetterThan(candidate, current)) versions.set(candidate.version, candidate);
  }
  return byModel;
}

const sorted = <T extends Keyed>(byModel: ByModel<T>): T[] =>
  [...byModel.values()]
    .flatMap((versions) => [...versions.values()])
    .sort((a, b) => (a.model === b.model ? a.version - b.version : a.model < b.model ? -1 : 1));

/** Of two revisions of one version: the one that is not leaving, then the newer. */
function isBetter(candidate: ServedVersion, current: ServedVersion): boolean {
  if (candidate.state !== current.state) return candidate.state === 'READY';
  return candidate.configRevision > current.configRevision;
}

const rank = ({ state }: HeldVersion): number => (state === 'READY' ? 2 : state === 'DRAINING' ? 1 : 0);

export const emptyTable: ModelTable = modelTable([], []);
