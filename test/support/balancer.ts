/** A balancer without sticky sessions: each request goes to the next server, and to the one after it when that is gone. */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Balancer {
  readonly url: string;
  /** The servers from now on. */
  setServers(urls: readonly string[]): void;
  close(): Promise<void>;
}

export async function startBalancer(): Promise<Balancer> {
  let servers: readonly string[] = [];
  let next = 0;
  const forward = (req: IncomingMessage, res: ServerResponse, attemptsLeft: number): void => {
    next += 1;
    const target = new URL(servers[next % servers.length] ?? 'http://127.0.0.1:1');
    const options = { host: target.hostname, port: target.port, path: req.url, method: req.method };
    const upstream = request({ ...options, headers: req.headers, agent: false });
    upstream.on('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('error', () => res.destroy()).pipe(res);
    });
    upstream.on('error', (error: NodeJS.ErrnoException) => {
      // Nothing of the request was read yet by a server that is not there.
      if (error.code === 'ECONNREFUSED' && attemptsLeft > 0) return forward(req, res, attemptsLeft - 1);
      if (res.headersSent) res.destroy();
      else res.writeHead(502).end();
    });
    upstream.on('socket', (socket) => socket.once('connect', () => req.pipe(upstream)));
    res.on('close', () => upstream.destroy());
  };
  const server = createServer((req, res) => forward(req, res, servers.length));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setServers: (urls) => {
      servers = urls;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
