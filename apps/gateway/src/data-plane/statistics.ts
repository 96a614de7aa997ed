/**
 * Triton's statistics over all nodes. Each node counts what it served itself; a caller of the gateway wants the sum, or two
 * readings taken around a measurement would come from different nodes.
 */
import { z } from 'zod';
import { askNode } from './ask-node.js';
import type { Identity } from './authenticate.js';
import { allowsInference } from '#contracts/scopes';
import type { Core } from './core.js';
import { refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import { nodePath } from './node-request.js';
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

/** What one server is asked. */
interface Question {
  readonly replica: Replica;
  readonly path: string;
  /** The names that an external server's rows have here: there they have its own. */
  readonly as?: { readonly name: string; readonly version: string };
}

/** Between the snapshot and this question the node may have let the version go: then it counts nothing. */
async function ask(
  core: Core,
  exchange: Exchange,
  { replica, path, as }: Question,
): Promise<ModelStatistics[]> {
  const answer = await askNode(core, exchange, replica, 'GET', path);
  const rows = answer === undefined ? [] : Statistics.parse(answer).model_stats;
  return as ? rows.map((row) => ({ ...row, ...as })) : rows;
}

/** Statistics are an extension: an external server that does not have them counts nothing. */
const askAny = (core: Core, exchange: Exchange, question: Question): Promise<ModelStatistics[]> =>
  question.as === undefined
    ? ask(core, exchange, question)
    : ask(core, exchange, question).catch((error: unknown) => {
        core.logger.debug(
          { err: error, node: question.replica.address },
          'no statistics of an external node',
        );
        return [];
      });

/** Asks each node of ours once, and external ones for each version. `counts` says which versions the caller may see. */
function answerSum(
  core: Core,
  exchange: Exchange,
  questions: readonly Question[],
  counts: (row: ModelStatistics) => boolean,
): void {
  const distinct = new Map(
    questions.map((one) => [JSON.stringify([one.replica.address, one.path, one.as]), one]),
  );
  Promise.all([...distinct.values()].map((question) => askAny(core, exchange, question)))
    .then((answers) => {
      if (exchange.res.destroyed) return;
      answerJson(exchange, core, 200, { model_stats: mergeStatistics(answers).filter(counts) });
    })
    .catch((error: unknown) => {
      core.logger.warn({ err: error, request_id: exchange.requestId }, 'no statistics');
      refuse(exchange, core, refusal('UPSTREAM_FAILED', 'A node did not give its statistics. Try again.'));
    });
}

/** @param ownPath what nodes of ours are asked */
const questionsOf = (name: string, versions: Iterable<TableVersion>, ownPath: string): Question[] =>
  [...versions].flatMap(({ label: version, replicas }) =>
    replicas.map((replica) =>
      replica.external
        ? { replica, path: nodePath(replica, 'stats'), as: { name, version } }
        : { replica, path: ownPath },
    ),
  );

/** `GET /v2/models/{endpoint}[/versions/{pin}]/stats`: of all versions behind the endpoint, or of one. */
export function answerEndpointStatistics(core: Core, exchange: Exchange, table: RoutingTable): void {
  const endpoint = findEndpoint(exchange, table);
  if ('code' in endpoint) return refuse(exchange, core, endpoint);
  const versions = findVersions(endpoint, exchange.route);
  if ('code' in versions) return refuse(exchange, core, versions);
  const isPinned = exchange.route.pin !== undefined;
  const path = (isPinned && versions[0]?.path) || `/models/${encodeURIComponent(endpoint.model)}`;
  answerSum(core, exchange, questionsOf(endpoint.model, versions, `/v2${path}/stats`), () => true);
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
  const questions = endpoints.flatMap(({ model, routesFor }) =>
    questionsOf(model, routesFor.oip.versions.values(), '/v2/models/stats'),
  );
  answerSum(core, exchange, questions, ({ name }) => models.has(name));
}
