/** What would happen to a request, and why: which rule, version, replicas and quotas apply. Changes nothing and asks no node. */
import { z } from 'zod';
import { InferenceProtocol, inferenceProtocols } from '#contracts/external-nodes';
import { remaining } from '#quota/headers';
import { cost } from '#routing/balancer';
import { isEjected } from '#routing/outlier';
import { resolve, stickyKey } from '#routing/resolve';
import type { ResolveFailure, ResolveInput, Why } from '#routing/resolve';
import { holds } from '#routing/rules';
import { bucketOf } from '#routing/split';
import { SluiceError } from '#platform/errors';
import type { Core } from '../data-plane/core.js';
import type { TableEndpoint, TableVersion } from '../data-plane/routing-table.js';

/** `name:value`, any number of them. */
const pairs = z
  .union([z.string(), z.array(z.string())])
  .default([])
  .transform((given) =>
    [given].flat().map((pair): [string, string] => {
      const cut = pair.indexOf(':');
      return cut < 0 ? [pair, ''] : [pair.slice(0, cut), pair.slice(cut + 1).trimStart()];
    }),
  );

/** The query of `GET /explain`, as in `?endpoint=iris&client=shop&header=x-beta:yes&claim=team:search`. */
export const ExplainQuery = z.strictObject({
  endpoint: z.string(),
  pin: z.string().optional(),
  /** What the caller speaks: some external nodes speak one of them only. */
  protocol: InferenceProtocol.default('oip'),
  client: z.string().optional(),
  team: z.string().optional(),
  header: pairs,
  claim: pairs,
});
export type ExplainQuery = z.infer<typeof ExplainQuery>;

export interface Explanation {
  readonly endpoint: string;
  readonly model: string;
  readonly revision: number;
  readonly protocol: InferenceProtocol;
  readonly why: Why | ResolveFailure;
  /** null when nothing can answer, or when chance decides among `split`. */
  readonly version: number | null;
  /** Position of the rule that decided, from 0. */
  readonly rule: number | null;
  readonly sticky_bucket: number | null;
  /** How traffic without rule and pin falls now, after versions without a READY replica were left out. */
  readonly split: readonly { readonly version: number; readonly weight: number; readonly share: number }[];
  readonly gated: readonly (number | string)[];
  /** Of those, what has replicas that are READY and speak another protocol. */
  readonly other_protocol: readonly (number | string)[];
  /** Where copies go of what rule or split decide; null too while nothing READY is there. */
  readonly shadow: { readonly version: number; readonly share: number } | null;
  readonly hedge: boolean;
  readonly max_body_bytes: number;
  readonly replicas: readonly ExplainedReplica[];
  readonly quotas: readonly {
    readonly name: string;
    readonly unit: string;
    readonly window: string | null;
    readonly limit: number;
    readonly per_client: boolean;
    readonly mode: string;
    /** What holds while the ledger cannot be reached, and whether it does now. */
    readonly outage: string;
    readonly in_outage: boolean;
    readonly used: number;
    readonly reserved: number;
    /** What this gateway holds of it. */
    readonly held: number;
    /** What nobody has used or reserved, as far as this gateway knows. */
    readonly remaining: number;
  }[];
}

type Routes = TableEndpoint['routes'];

export interface ExplainedReplica {
  readonly version: number;
  readonly node_id: string;
  readonly address: string;
  readonly outstanding: number;
  readonly latency_ms: number;
  /** What power of two choices compares. */
  readonly cost: number;
  readonly ejected: boolean;
  /** A server that is not Sluice's own. */
  readonly external: boolean;
  readonly protocols: readonly InferenceProtocol[];
}

function explainReplicas(version: TableVersion, nowMs: number): ExplainedReplica[] {
  return version.replicas.map(({ nodeId, address, load, health, external }) => ({
    version: version.version,
    node_id: nodeId,
    address,
    outstanding: load.outstanding,
    latency_ms: load.ewmaMs,
    cost: cost(load, nowMs),
    ejected: isEjected(health, nowMs),
    external: external !== undefined,
    protocols: external?.protocols ?? inferenceProtocols,
  }));
}

function explainTraffic(routes: Routes, whatever: Routes) {
  const { shares, totalWeight } = routes.split;
  const { shadow } = routes;
  return {
    split: shares.map(({ version, weight }) => ({ version, weight, share: weight / totalWeight })),
    gated: routes.gated,
    other_protocol: routes.gated.filter((ref) => !whatever.gated.includes(ref)),
    shadow: shadow ? { version: shadow.target.version, share: shadow.share } : null,
  };
}

const explainQuotas = (core: Core, { endpoint, client, team }: ExplainQuery): Explanation['quotas'] =>
  core.quotas.cellsFor(endpoint, client ?? '', team).map((cell) => ({
    name: cell.quota.name,
    unit: cell.quota.unit,
    window: cell.quota.window,
    limit: cell.limit,
    per_client: cell.quota.per_client,
    mode: cell.quota.mode,
    outage: cell.quota.outage,
    in_outage: core.leases.unreachable,
    used: cell.used,
    reserved: cell.reserved,
    held: cell.held,
    remaining: remaining(cell),
  }));

/** Explains with the table of the moment. @throws SluiceError when there is no table or no such endpoint */
export function explain(core: Core, query: ExplainQuery, nowMs: number): Explanation {
  const { table } = core;
  if (!table) throw new SluiceError('NOT_READY', 'This gateway has no routing table yet.');
  const endpoint = table.endpoints.get(query.endpoint);
  if (!endpoint) throw new SluiceError('ENDPOINT_NOT_FOUND', `There is no endpoint "${query.endpoint}".`);
  const { name, model, hedge, limits } = endpoint;
  const routes = endpoint.routesFor[query.protocol];
  const headers = query.header.map(([header, value]): [string, string] => [header.toLowerCase(), value]);
  const input: ResolveInput = {
    pin: query.pin,
    headers: Object.fromEntries(headers),
    claims: Object.fromEntries(query.claim),
  };
  const { target, why } = resolve(routes, input, () => 0);
  const key = stickyKey(routes.sticky, input);
  const candidates =
    why === 'split' ? routes.split.shares.map((share) => share.target) : target ? [target] : [];
  return {
    endpoint: name,
    model,
    revision: table.snapshot.revision,
    protocol: query.protocol,
    why,
    version: why === 'split' && candidates.length > 1 ? null : (target?.version ?? null),
    rule: why === 'rule' ? (routes.rules.find((rule) => holds(rule, input))?.position ?? null) : null,
    sticky_bucket: key === undefined ? null : bucketOf(key, routes.seed),
    ...explainTraffic(routes, endpoint.routes),
    hedge,
    max_body_bytes: limits.maxBodyBytes,
    replicas: candidates.flatMap((version) => explainReplicas(version, nowMs)),
    quotas: explainQuotas(core, query),
  };
}
