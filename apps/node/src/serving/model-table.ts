/** What this node can answer for right now: an immutable table that is swapped whole when a replica changes. */
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
  readonly pool: Pick<RunnerPool, 'submit'>;
}

export interface ModelTable {
  /** The version asked for, or the highest READY one. */
  find(model: string, version?: number): ServedVersion | undefined;
  /** READY versions of a model, ascending. */
  readyVersions(model: string): readonly number[];
  /** Whether the node holds the model, or this version of it, in any state. */
  holds(model: string, version?: number): boolean;
}

export interface HeldVersion {
  readonly model: string;
  readonly version: number;
}

/** @param held everything that the node has in whatever state */
export function modelTable(served: readonly ServedVersion[], held: readonly HeldVersion[]): ModelTable {
  const byModel = new Map<string, Map<number, ServedVersion>>();
  for (const candidate of served) {
    const versions = byModel.get(candidate.model) ?? new Map<number, ServedVersion>();
    byModel.set(candidate.model, versions);
    const current = versions.get(candidate.version);
    if (!current || isBetter(candidate, current)) versions.set(candidate.version, candidate);
  }
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
    readyVersions: (model) => ready.get(model) ?? [],
    holds: (model, version) =>
      held.some((one) => one.model === model && (version === undefined || one.version === version)),
  };
}

/** Of two revisions of one version: the one that is not leaving, then the newer. */
function isBetter(candidate: ServedVersion, current: ServedVersion): boolean {
  if (candidate.state !== current.state) return candidate.state === 'READY';
  return candidate.configRevision > current.configRevision;
}

export const emptyTable: ModelTable = modelTable([], []);
