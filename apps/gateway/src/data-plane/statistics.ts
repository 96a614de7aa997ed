/**
 * Triton's statistics over all nodes. Each node counts what it served itself; a caller of the gateway wants the sum, or two
 * readings taken around a measurement would come from different nodes.
 */
import { z } from 'zod';
import { askNode, oneOfEachNode } from './ask-node.js';
import type { Identity } from './authenticate.js';
import { allowsInference } from '#contracts/scopes';
import type { Core } from './core.js';
import { refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import { findEndpoint, findVersions } from './resolve.js';
import { answerJson, refuse } from './respond.js';
import type { RoutingTable, TableVersion } from './routing-table.js';
import type { Replica } from './upstreams.js';

const ModelStatistics = z.looseObject({ name: z.string(), version: z.string() });
export type ModelStatistics = z.infer<typeof ModelStatistics>;
const Statistics = z.object({ model_stats: z.array(ModelStatistics) });

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Adds numbers, member by member; keeps the first of everything else. Lists are joined by the batch size of their rows. */
function add(key: string, a: unknown, b: unknown): unknown {
  if (a === undefined) return b;
  if (typeof a === 'number' && typeof b === 'number') {
    if (key === 'batch_size') return a;
    return key === 'last_inference' ? Math.max(a, b) : a + b;
  }
  if (Array.isArray(a) && Array.isArray(b)) return addRows([...(a as unknown[]), ...(b as unknown[])]);
  if (!isObject(a) || !isObject(b)) return a;
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return Object.fromEntries(keys.map((name) => [name, add(name, a[name], b[name])]));
}

function addRows(rows: readonly unknown[]): unknown[] {
  const bySize = new Map<unknown, unknown>();
  for (const row of rows) {
    const size = isObject(row) && 'batch_size' in row ? row['batch_size'] : row;
    bySize.set(size, add('', bySize.get(size), row));
  }
  return [...bySize.values()];
}

/** One row per version, each the sum of what the nodes say. Pure. */
export function mergeStatistics(answers: readonly (readonly ModelStatistics[])[]): ModelStatistics[] {
  const merged = new Map<string, ModelStatistics>();
  for (const row of answers.flat()) {
    const key = JSON.stringify([row.name, row.version]);
    merged.set(key, add('', merged.get(key), row) as ModelStatistics);
  }
  return [...merged.values()];
}

/** Between the snapshot and this question the node may have let the version go: then it counts nothing. */
async function ask(
  core: Core,
  exchange: Exchange,
  replica: Replica,
  path: string,
): Promise<ModelStatistics[]> {
  const answer = await askNode(core, exchange, replica, 'GET', path);
  return answer === undefined ? [] : Statistics.parse(answer).model_stats;
}

/** Asks each node once. `counts` says which versions the caller may see. */
function answerSum(
  core: Core,
  exchange: Exchange,
  replicas: readonly Replica[],
  path: string,
  counts: (row: ModelStatistics) => boolean,
): void {
  Promise.all(oneOfEachNode(replicas).map((replica) => ask(core, exchange, replica, path)))
    .then((answers) => {
      if (exchange.res.destroyed) return;
      answerJson(exchange, core, 200, { model_stats: mergeStatistics(answers).filter(counts) });
    })
    .catch((error: unknown) => {
      core.logger.warn({ err: error, request_id: exchange.requestId }, 'no statistics');
      refuse(exchange, core, refusal('UPSTREAM_FAILED', 'A node did not give its statistics. Try again.'));
    });
}

/** External nodes count under names of their own, and not every one counts at all: they are left out. */
const replicasOf = (versions: readonly TableVersion[]): Replica[] =>
  versions.flatMap((version) => version.replicas);

/** `GET /v2/models/{endpoint}[/versions/{pin}]/stats`: of all versions behind the endpoint, or of one. */
export function answerEndpointStatistics(core: Core, exchange: Exchange, table: RoutingTable): void {
  const endpoint = findEndpoint(exchange, table);
  if ('code' in endpoint) return refuse(exchange, core, endpoint);
  const versions = findVersions(endpoint, exchange.route);
  if ('code' in versions) return refuse(exchange, core, versions);
  const isPinned = exchange.route.pin !== undefined;
  const path = (isPinned && versions[0]?.path) || `/models/${encodeURIComponent(endpoint.model)}`;
  answerSum(core, exchange, replicasOf(versions), `/v2${path}/stats`, () => true);
}

/** `GET /v2/models/stats`: of all versions behind the endpoints that the caller may use. */
export function answerStatistics(
  core: Core,
  exchange: Exchange,
  table: RoutingTable,
  identity: Identity,
): void {
  const endpoints = [...table.endpoints.values()].filter(({ name }) =>
    allowsInference(identity.scopes, name),
  );
  const models = new Set(endpoints.map(({ model }) => model));
  answerSum(
    core,
    exchange,
    replicasOf(endpoints.flatMap(({ routes }) => [...routes.versions.values()])),
    '/v2/models/stats',
    ({ name }) => models.has(name),
  );
}
