/** Asks a server whether it is ready, in the words of the protocols that it speaks. */
import { z } from 'zod';
import type { InferenceProtocol } from '#contracts/external-nodes';
import type { Core } from '../data-plane/core.js';
import { authorizationFor, nodePath } from '../data-plane/node-request.js';
import type { Replica } from '../data-plane/upstreams.js';

const timeoutMs = 1_000;
const maxBytes = 1_048_576;

/** TensorFlow Serving's answer about a version, or about all that it has of a model. */
const ServableStatus = z.object({ model_version_status: z.array(z.object({ state: z.string() })) });

/** Whether it can serve the replica's version; as a whole, too, when the server is not ours. Nothing that goes wrong is a yes. */
export async function saysReady(core: Core, replica: Replica): Promise<boolean> {
  const asked = replica.external?.protocols.map((protocol) => questions[protocol](core, replica)) ?? [
    isReadyAt(core, replica, nodePath(replica, 'ready')),
  ];
  return (await Promise.all(asked)).every(Boolean);
}

const questions: Readonly<Record<InferenceProtocol, (core: Core, replica: Replica) => Promise<boolean>>> = {
  oip: async (core, replica) => {
    const paths = ['/v2/health/ready', nodePath(replica, 'ready')];
    return (await Promise.all(paths.map((path) => isReadyAt(core, replica, path)))).every(Boolean);
  },
  tfserving: async (core, replica) => {
    const status = ServableStatus.safeParse(await ask(core, replica, nodePath(replica, 'status')));
    return status.data?.model_version_status.some(({ state }) => state === 'AVAILABLE') ?? false;
  },
};

const isReadyAt = async (core: Core, replica: Replica, path: string): Promise<boolean> =>
  (await ask(core, replica, path)) !== undefined;

/** What a 200 says, null when that is no JSON; undefined for every other answer, and for none in time. */
async function ask(core: Core, replica: Replica, path: string): Promise<unknown> {
  try {
    const { statusCode, body } = await replica.pool.request({
      path,
      method: 'GET',
      headers: [...authorizationFor(replica, core.authorization)],
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await readShort(body);
    return statusCode === 200 ? parsed(text) : undefined;
  } catch {
    return undefined;
  }
}

/** @throws when it is longer than anything that there is to say */
async function readShort(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
