/**
 * Triton's statistics over all nodes. Each node counts what it served itself; a caller of the gateway wants the sum, or two
 * readings taken around a measurement would come from different nodes.
 */
import { z } from 'zod';
import type { Identity } from './authenticate.js';
import { allowsInference } from '#contracts/scopes';
import type { Core } from './core.js';
import { refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import { nodeHeaders } from './node-request.js';
import { findEndpoint, findVersions } from './resolve.js';
import { answerJson, refuse } from './respond.js';
import type { RoutingTable, TableVersion } from './routing-table.js';
import type { Replica } from './upstreams.js';

const ModelStatistics = z.looseObject({ name: z.string(), version: z.string() });
export type ModelStatistics = z.infer<typeof ModelStatistics>;
const Statistics = z.object({ model_stats: z.array(ModelStatistics) });

const timeoutMs = 5_000;
const maxBytes = 16_777_216;

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

async function ask(
  core: Core,
  exchange: Exchange,
  replica: Replica,
  path: string,
): Promise<ModelStatistics[]> {
  const answer = await replica.pool.request({
    path,
    method: 'GET',
    headers: nodeHeaders(exchange, replica, core.authorization, timeoutMs).filter((_, i, all) => {
      const name = all[i - (i % 2)];
      return name !== 'accept-encoding' && name !== 'accept';
    }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  // Between the snapshot and this question the node may have let the version go: then it counts nothing.
  if (answer.statusCode === 404 || answer.statusCode === 503) {
    await answer.body.dump();
    return [];
  }
  if (answer.statusCode !== 200) throw new Error(`the node answered ${answer.statusCode}`);
  if (Number(answer.headers['content-length'] ?? 0) > maxBytes) throw new Error('the answer is too large');
  return Statistics.parse(await answer.body.json()).model_stats;
}

/** Asks each node once. `counts` says which versions the caller may see. */
function answerSum(
  core: Core,
  exchange: Exchange,
  replicas: readonly Replica[],
  path: string,
  counts: (row: ModelStatistics) => boolean,
): void {
  const byNode = new Map(replicas.map((replica) => [replica.address, replica]));
  Promise.all([...byNode.values()].map((replica) => ask(core, exchange, replica, path)))
    .then((answers) => {
      if (exchange.res.destroyed) return;
      answerJson(exchange, core, 200, { model_stats: mergeStatistics(answers).filter(counts) });
    })
    .catch((error: unknown) => {
      core.logger.warn({ err: error, request_id: exchange.requestId }, 'no statistics');
      refuse(exchange, core, refusal('UPSTREAM_FAILED', 'A node did not give its statistics. Try again.'));
    });
}

/** External nodes count under names of their own, and not every one counts at all. */
const replicasOf = (versions: readonly TableVersion[]): Replica[] =>
  versions.flatMap((version) => version.replicas.filter(({ external }) => !external));

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
