/** Asks a server whether it is ready, in the words of the Open Inference Protocol. */
import type { Core } from '../data-plane/core.js';
import { authorizationFor, nodePath } from '../data-plane/node-request.js';
import type { Replica } from '../data-plane/upstreams.js';

const timeoutMs = 1_000;

/** Where it says whether it can serve the replica's version. */
export const readyPathOf = (replica: Replica): string => nodePath(replica, 'ready');

/** False also when it cannot be reached, or not in time. */
export async function saysReady(core: Core, replica: Replica, path: string): Promise<boolean> {
  try {
    const { statusCode, body } = await replica.pool.request({
      path,
      method: 'GET',
      headers: [...authorizationFor(replica, core.authorization)],
      signal: AbortSignal.timeout(timeoutMs),
    });
    await body.dump();
    return statusCode === 200;
  } catch {
    return false;
  }
}
