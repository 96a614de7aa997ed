/** What the gateway itself asks nodes to answer a caller: short JSON, read and never passed on as it is. */
import type { Core } from './core.js';
import type { Exchange } from './exchange.js';
import { nodeHeaders } from './node-request.js';
import type { Replica } from './upstreams.js';

const timeoutMs = 5_000;
const maxBytes = 16_777_216;
/** The caller's words about its own body and answer. */
const callersOwn: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'content-type',
  'content-encoding',
  'inference-header-content-length',
]);

/** One replica of each node of ours: external nodes know models under names of their own. */
export function oneOfEachNode(replicas: readonly Replica[]): Replica[] {
  const byNode = new Map<string, Replica>();
  for (const replica of replicas) if (!replica.external) byNode.set(replica.address, replica);
  return [...byNode.values()];
}

/** Undefined: the node has not got, or not yet, what is asked for. @throws when it fails or says too much */
export async function askNode(
  core: Core,
  exchange: Exchange,
  replica: Replica,
  method: 'GET' | 'POST',
  path: string,
): Promise<unknown> {
  const answer = await replica.pool.request({
    path,
    method,
    headers: nodeHeaders(exchange, replica, core.authorization, timeoutMs).filter(
      (_, i, all) => !callersOwn.has(all[i - (i % 2)] ?? ''),
    ),
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (answer.statusCode === 404 || answer.statusCode === 503) {
    await answer.body.dump();
    return undefined;
  }
  if (answer.statusCode !== 200) throw new Error(`the node answered ${answer.statusCode}`);
  if (Number(answer.headers['content-length'] ?? 0) > maxBytes) throw new Error('the answer is too large');
  return answer.body.json();
}
