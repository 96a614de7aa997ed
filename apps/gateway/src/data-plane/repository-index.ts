/**
 * Triton's index of the repository: the versions behind the endpoints that a caller may use. What is ready the snapshot says;
 * why something is not, only the nodes can tell, and they are asked only then.
 */
import { z } from 'zod';
import { askNode, oneOfEachNode } from './ask-node.js';
import type { Core } from './core.js';
import type { Exchange } from './exchange.js';
import { answerJson } from './respond.js';
import type { TableEndpoint, TableVersion } from './routing-table.js';
import { notHeld } from './status.js';

const NodeRow = z.object({
  name: z.string(),
  version: z.string(),
  state: z.enum(['READY', 'LOADING', 'UNLOADING', 'UNAVAILABLE']),
  reason: z.string(),
});
type NodeRow = z.infer<typeof NodeRow>;

/** What a version that nobody can reach is, given what one node says of it. What has just become ready is not routed to yet. */
const outwardly = (row: NodeRow): NodeRow => (row.state === 'READY' ? { ...row, state: 'LOADING' } : row);

/** Of what several nodes say: the one that promises most. */
const promise = ({ state }: NodeRow): number => ['UNAVAILABLE', 'UNLOADING', 'LOADING'].indexOf(state);

const keyOf = ({ name, version }: Pick<NodeRow, 'name' | 'version'>): string =>
  JSON.stringify([name, version]);

/** What the nodes say about each version. Pure. */
function bestRows(told: readonly (readonly NodeRow[])[]): ReadonlyMap<string, NodeRow> {
  const best = new Map<string, NodeRow>();
  for (const row of told.flat().map(outwardly)) {
    const other = best.get(keyOf(row));
    if (!other || promise(row) > promise(other)) best.set(keyOf(row), row);
  }
  return best;
}

function rowOf({ name, model }: TableEndpoint, version: TableVersion, told: ReadonlyMap<string, NodeRow>) {
  const { label, ready } = version;
  if (ready) return { name, version: label, state: 'READY', reason: '' };
  const row = told.get(keyOf({ name: model, version: label }));
  return {
    name,
    version: label,
    state: row?.state ?? 'UNAVAILABLE',
    reason: row ? row.reason : notHeld,
  };
}

/** A node that does not answer says nothing. */
async function askNodes(
  core: Core,
  exchange: Exchange,
  versions: readonly TableVersion[],
): Promise<NodeRow[][]> {
  const nodes = oneOfEachNode(versions.flatMap(({ replicas }) => replicas));
  const answers = await Promise.allSettled(
    nodes.map((node) => askNode(core, exchange, node, 'POST', '/v2/repository/index')),
  );
  return answers.map(
    (answer) => NodeRow.array().safeParse(answer.status === 'fulfilled' ? answer.value : []).data ?? [],
  );
}

/** `POST /v2/repository/index` */
export async function answerIndex(
  core: Core,
  exchange: Exchange,
  endpoints: readonly TableEndpoint[],
  isReadyOnly: boolean,
): Promise<void> {
  const all = endpoints.flatMap((endpoint) =>
    [...endpoint.routesFor.oip.versions.values()].map((version) => ({ endpoint, version })),
  );
  const versions = all.map(({ version }) => version);
  const isComplete = isReadyOnly || versions.every(({ ready }) => ready);
  const told = isComplete ? [] : await askNodes(core, exchange, versions);
  if (exchange.res.destroyed) return;
  const best = bestRows(told);
  const rows = all.map(({ endpoint, version }) => rowOf(endpoint, version, best));
  answerJson(exchange, core, 200, isReadyOnly ? rows.filter(({ state }) => state === 'READY') : rows);
}
