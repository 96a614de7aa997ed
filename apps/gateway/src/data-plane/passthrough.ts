/**
 * Everything that is not inference goes to the registry as it is, streamed both ways. Owns the headers of that hop; never looks at
 * tokens or bodies.
 */
import { Agent } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createProxyServer } from 'http-proxy';
import { errorTable } from '#contracts/errors';
import { sluiceHeaders } from '#contracts/oip';
import { SluiceError, toProblem } from '#platform/errors';
import type { Core } from './core.js';
import { requestIdOf } from './exchange.js';
import { isHopByHop, listedByConnection } from './hop-headers.js';
import { readAway } from './respond.js';

/** The registry sends something at least this often, on event streams too. */
const silenceMs = 120_000;

/** Headers with which a caller could pretend to be someone, or something on the way. */
const forgeable: ReadonlySet<string> = new Set(['forwarded', 'x-real-ip', 'x-forwarded-user', 'expect']);

export interface Passthrough {
  handle(req: IncomingMessage, res: ServerResponse): void;
  close(): void;
}

/** Rewrites the request's headers for the hop to the registry. */
function prepare(req: IncomingMessage): void {
  const { headers, socket } = req;
  const requestId = requestIdOf(req);
  const isChunked = headers['transfer-encoding'] !== undefined;
  const listed = listedByConnection(headers.connection);
  const host = headers.host ?? '';
  for (const name of Object.keys(headers))
    if (isHopByHop(name) || listed.has(name) || name.startsWith('x-sluice-') || forgeable.has(name))
      delete headers[name];
  // The one framing that llhttp lets through; it must stay, or a DELETE with a body would lose its frame and smuggle it.
  if (isChunked) headers['transfer-encoding'] = 'chunked';
  const peer = socket.remoteAddress ?? 'unknown';
  const before = headers['x-forwarded-for'];
  headers['x-forwarded-for'] = before === undefined ? peer : `${String(before)}, ${peer}`;
  headers['x-forwarded-host'] = host;
  headers['x-forwarded-proto'] = 'encrypted' in socket ? 'https' : 'http';
  headers[sluiceHeaders.requestId] = requestId;
}

/** The registry's header fields without those of the connection; flat, order and repetition kept. */
function answerFields(answer: IncomingMessage): string[] {
  const listed = listedByConnection(answer.headers.connection);
  const fields: string[] = [];
  for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) {
    const [name, value] = [answer.rawHeaders[i] ?? '', answer.rawHeaders[i + 1] ?? ''];
    const lower = name.toLowerCase();
    if (!isHopByHop(lower) && !listed.has(lower)) fields.push(name, value);
  }
  return fields;
}

function unavailable(req: IncomingMessage, res: ServerResponse): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const error = new SluiceError(
    'REGISTRY_UNAVAILABLE',
    'The registry does not answer. Predictions go on; try again later.',
  );
  const requestId = req.headers[sluiceHeaders.requestId];
  const body = JSON.stringify(toProblem(error, typeof requestId === 'string' ? requestId : undefined));
  const fields = {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'retry-after': '1',
    connection: 'close',
  };
  res.writeHead(errorTable.REGISTRY_UNAVAILABLE.status, fields).end(body);
}

export function createPassthrough(core: Core): Passthrough {
  const agent = new Agent({ keepAlive: true, maxSockets: 512, maxFreeSockets: 32, timeout: silenceMs });
  const proxy = createProxyServer({
    target: core.settings.registryUrl,
    proxyTimeout: silenceMs,
    selfHandleResponse: true,
  });
  proxy.on('proxyRes', (answer, _req, res) => {
    const fields = answerFields(answer);
    if (core.draining) fields.push('connection', 'close');
    res.writeHead(answer.statusCode ?? 502, answer.statusMessage, fields);
    answer.pipe(res);
  });
  proxy.on('error', (error, req, res) => {
    core.logger.warn({ err: error }, 'registry failed');
    if (req && res && 'writeHead' in res) unavailable(req, res);
  });
  // The caller went away; its answer is nobody's.
  proxy.on('econnreset', (_error, _req, res) => res.destroy());
  return {
    handle(req, res) {
      prepare(req);
      core.counters.passedThrough += 1;
      core.inFlight += 1;
      res.once('close', () => {
        core.inFlight -= 1;
        readAway(req);
      });
      // A chunked body travels on a connection of its own, which closes behind it: nothing can be left over on it for the next.
      const isChunked = req.headers['transfer-encoding'] !== undefined;
      proxy.web(req, res, { agent: isChunked ? false : agent }).catch(() => unavailable(req, res));
    },
    close: () => agent.destroy(),
  };
}
