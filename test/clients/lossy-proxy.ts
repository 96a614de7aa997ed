/**
 * A way to the gateway on which answers get lost. The first attempt at every creation of MLflow's is answered by a 503 although it was carried
 * out, where the order of requests tells its repeat; all others, and the second attempt, break off while the registry stands still: it finds the
 * request and the end of its connection at once, and carries it out for nobody. The third attempt passes.
 */
import { once } from 'node:events';
import { Agent, createServer, request as sendRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';

const creations =
  /\/mlflow\/(?:runs\/create|experiments\/create|registered-models\/create|model-versions\/create|logged-models)$/;
const told = /\/(?:runs|model-versions)\/create$/;
/** For the gateway to pass the request on. Should it take longer, the request is lost as well as the answer. */
const standStillMs = 50;

type Fate = 'passes' | 'is swallowed' | 'breaks off';

function fateOf(attempt: number, url: string): Fate {
  if (attempt === 0) return told.test(url) ? 'is swallowed' : 'breaks off';
  return attempt === 1 ? 'breaks off' : 'passes';
}

export interface LossyProxy {
  readonly url: string;
  /** How many answers were lost. */
  readonly lost: () => number;
  close(): Promise<void>;
}

export async function startLossyProxy(target: string, registryPid: number): Promise<LossyProxy> {
  const agent = new Agent({ keepAlive: false });
  const attempts = new Map<string, number>();
  let lost = 0;

  function nextFate(method: string | undefined, url: string, body: Buffer): Fate {
    if (method !== 'POST' || !creations.test(url)) return 'passes';
    const name = `${url} ${body.toString('latin1')}`;
    const attempt = attempts.get(name) ?? 0;
    attempts.set(name, attempt + 1);
    const fate = fateOf(attempt, url);
    if (fate !== 'passes') lost += 1;
    return fate;
  }

  async function pass(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await buffer(req);
    const { method, url = '/', headers } = req;
    const fate = nextFate(method, url, body);
    if (fate === 'breaks off') process.kill(registryPid, 'SIGSTOP');
    const hop = sendRequest(`${target}${url}`, { method, headers, agent });
    hop.on('error', () => {
      if (fate !== 'breaks off') res.destroy();
    });
    hop.end(body);
    if (fate === 'breaks off') {
      await pause(standStillMs);
      hop.destroy();
      await pause(standStillMs);
      process.kill(registryPid, 'SIGCONT');
      // Only now: the client sends again at once.
      res.destroy();
      return;
    }
    const [answer] = (await once(hop, 'response')) as [IncomingMessage];
    if (fate === 'passes') {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
      return;
    }
    await buffer(answer);
    res.writeHead(503, { 'content-length': '0' }).end();
  }

  const server = createServer((req, res) => {
    pass(req, res).catch(() => res.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lost: () => lost,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
