/** Which version of an endpoint gets which share, and how many replicas are ready for it. Pure. */
import type { Endpoint, VersionRef } from '#contracts/endpoints';
import type { Model } from '#contracts/models';
import type { NodeInfo } from '#contracts/nodes';

export interface TrafficShare {
  /** As the traffic names it: a number or an alias. */
  readonly ref: VersionRef;
  /** undefined: an alias that does not exist (any more), or of a model that may not be read. */
  readonly version: number | undefined;
  readonly share: number;
  /** undefined: nobody said yet, or the nodes may not be read. */
  readonly readyReplicas: number | undefined;
  /** Why replicas of it failed, as their nodes say. */
  readonly reasons: readonly string[];
}

type Named = Pick<Endpoint, 'model' | 'traffic'>;

export function trafficShares(
  { model, traffic }: Named,
  models: readonly Pick<Model, 'name' | 'aliases'>[],
  nodes: readonly Pick<NodeInfo, 'state' | 'replicas'>[] | undefined,
): TrafficShare[] {
  const aliases = models.find(({ name }) => name === model)?.aliases ?? {};
  const total = traffic.split.reduce((sum, { weight }) => sum + weight, 0);
  return traffic.split.map(({ version: ref, weight }) => {
    const version = typeof ref === 'number' ? ref : aliases[ref];
    const replicas = (nodes ?? [])
      .filter(({ state }) => state !== 'LOST')
      .flatMap((node) => node.replicas.filter((one) => one.model === model && one.version === version));
    return {
      ref,
      version,
      share: total === 0 ? 0 : weight / total,
      readyReplicas: nodes && replicas.filter(({ state }) => state === 'READY').length,
      reasons: [...new Set(replicas.flatMap(({ reason }) => (reason === null ? [] : [reason])))],
    };
  });
}

/** `serving`: every version with a share has a ready replica. */
export type EndpointState = 'serving' | 'degraded' | 'down' | 'no traffic' | 'readiness unknown';

export function endpointState(shares: readonly TrafficShare[]): EndpointState {
  const wanted = shares.filter(({ share }) => share > 0);
  if (wanted.length === 0) return 'no traffic';
  if (wanted.some(({ readyReplicas }) => readyReplicas === undefined)) return 'readiness unknown';
  const ready = wanted.filter(({ readyReplicas = 0 }) => readyReplicas > 0);
  if (ready.length === wanted.length) return 'serving';
  return ready.length > 0 ? 'degraded' : 'down';
}
