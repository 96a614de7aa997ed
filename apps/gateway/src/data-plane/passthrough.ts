/**
 * Everything that is not inference goes to the registry as it is, streamed both ways. Owns the headers of that hop; never looks at
 * tokens or bodies.
 */
import { Agent } from 'node:http';
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { BlockList } from 'node:net';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createProxyServer } from 'http-proxy';
import { errorTable } from '#contracts/errors';
import { sluiceHeaders } from '#contracts/oip';
import { SluiceError, toProblem } from '#platform/errors';
import type { FinishedSpan, SpanSink } from '#platform/spans';
import { beginTrace, saneTracestate, traceparentOf } from '#platform/trace-context';
import type { Trace } from '#platform/trace-context';
import type { Core } from './core.js';
import { isCorsField } from './cors.js';
import type { Cors } from './cors.js';
import { requestIdOf } from './exchange.js';
import { setForwarded } from './forwarded.js';
import { isHopByHop, listedByConnection } from './hop-headers.js';
import { hasBody } from './caller.js';
import { readAway } from './http-lane.js';

/** The registry sends something at least this often, on event streams too. */
const silenceMs = 120_000;

/** Headers with which a caller could pretend to be someone, or something on the way. */
const forgeable: ReadonlySet<string> = new Set(['forwarded', 'x-real-ip', 'x-forwarded-user', 'expect']);

export interface Passthrough {
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** Opens a WebSocket to the registry and joins the two connections. */
  tunnel(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Breaks tunnels off and lets go of idle connections. */
  close(): void;
}

/** Rewrites the request's headers for the hop to the registry. */
function prepare(req: IncomingMessage, trusted: BlockList, spans?: SpanSink): Trace {
  const { headers, socket } = req;
  const requestId = requestIdOf(req);
  const isChunked = headers['transfer-encoding'] !== undefined;
  const listed = listedByConnection(headers.connection);
  for (const name of Object.keys(headers))
    if (isHopByHop(name) || listed.has(name) || name.startsWith('x-sluice-') || forgeable.has(name))
      delete headers[name];
  // The one framing that llhttp lets through; it must stay, or a DELETE with a body would lose its frame and smuggle it.
  if (isChunked) headers['transfer-encoding'] = 'chunked';
  setForwarded(headers, socket, trusted);
  headers[sluiceHeaders.requestId] = requestId;
  const trace = beginTrace(headers['traceparent'], spans?.chooses() ?? false);
  headers['traceparent'] = traceparentOf(trace);
  if (saneTracestate(headers['tracestate'], trace) === undefined) delete headers['tracestate'];
  return trace;
}

/** No paths: they hold names, and would be too many. */
function spanOf(
  trace: Trace,
  startMs: number,
  { method, headers }: IncomingMessage,
  res: ServerResponse,
): FinishedSpan {
  const { statusCode } = res;
  return {
    name: `pass through ${method}`,
    kind: 'server',
    trace,
    startMs,
    endMs: performance.now(),
    error: statusCode >= 500 ? String(statusCode) : undefined,
    attributes: {
      'http.request.method': method,
      'http.response.status_code': statusCode,
      'sluice.request_id': String(headers[sluiceHeaders.requestId]),
    },
  };
}

/** The registry's header fields without those of the connection; flat, order and repetition kept. */
function answerFields(
  answer: IncomingMessage,
  { headers }: IncomingMessage,
  cors: Cors | undefined,
): string[] {
  const listed = listedByConnection(answer.headers.connection);
  const fields: string[] = [];
  for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) {
    const [name, value] = [answer.rawHeaders[i] ?? '', answer.rawHeaders[i + 1] ?? ''];
    const lower = name.toLowerCase();
    if (isHopByHop(lower) || listed.has(lower) || (cors && isCorsField(lower))) continue;
    fields.push(name, value);
  }
  cors?.push(fields, headers);
  return fields;
}

function unavailable(req: IncomingMessage, res: ServerResponse, cors: Cors | undefined): void {
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
  const fields = [
    'content-type',
    'application/problem+json',
    'content-length',
    String(Buffer.byteLength(body)),
  ];
  fields.push('retry-after', '1', 'connection', 'close');
  cors?.push(fields, req.headers);
  res.writeHead(errorTable.REGISTRY_UNAVAILABLE.status, fields).end(body);
}

/** Methods that may be sent twice (RFC 9110 §9.2.2). */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

class RegistryProxy implements Passthrough {
  private readonly agent = new Agent({
    keepAlive: true,
    maxSockets: 512,
    maxFreeSockets: 32,
    timeout: silenceMs,
  });
  private readonly proxy = createProxyServer({ proxyTimeout: silenceMs, selfHandleResponse: true });
  /** The hop of each request that may be sent again. */
  private readonly hops = new WeakMap<IncomingMessage, ClientRequest>();
  private readonly tunnels = new Set<Duplex>();

  constructor(
    private readonly core: Core,
    private readonly trusted: BlockList,
  ) {
    this.proxy.options.target = core.settings.registryUrl;
    this.proxy.on('proxyReq', (hop, req) => this.hops.set(req, hop));
    this.proxy.on('proxyRes', (answer, req, res) => this.answer(answer, req, res));
    this.proxy.on('error', (error, req, to) => {
      if (req && to) this.fail(error, req, to);
    });
    // The caller went away; its answer is nobody's.
    this.proxy.on('econnreset', (_error, _req, res) => res.destroy());
  }

  handle(req: IncomingMessage, res: ServerResponse): void {
    const startMs = performance.now();
    const { spans } = this.core;
    const trace = prepare(req, this.trusted, spans);
    this.core.counters.passedThrough += 1;
    this.core.inFlight += 1;
    res.once('close', () => {
      this.core.inFlight -= 1;
      readAway(req);
      if (spans && trace.isSampled) spans.write(spanOf(trace, startMs, req, res));
    });
    // A body cannot be sent twice: it travels on a connection of its own, which is neither stale nor used again behind it.
    this.send(req, res, hasBody(req) || !idempotent.has(req.method ?? '') ? false : this.agent);
  }

  tunnel(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    prepare(req, this.trusted);
    Object.assign(req.headers, { connection: 'Upgrade', upgrade: 'websocket' });
    this.core.counters.passedThrough += 1;
    this.core.inFlight += 1;
    this.tunnels.add(socket);
    socket.once('close', () => {
      this.core.inFlight -= 1;
      this.tunnels.delete(socket);
    });
    if (socket instanceof Socket)
      this.proxy.ws(req, socket, { agent: false }, head).catch(() => socket.destroy());
  }

  close(): void {
    for (const socket of this.tunnels) socket.destroy();
    this.agent.destroy();
  }

  private send(req: IncomingMessage, res: ServerResponse, agent: Agent | false): void {
    this.proxy.web(req, res, { agent }).catch(() => unavailable(req, res, this.core.cors));
  }

  private answer(answer: IncomingMessage, req: IncomingMessage, res: ServerResponse): void {
    const fields = answerFields(answer, req, this.core.cors);
    if (this.core.draining) fields.push('connection', 'close');
    res.writeHead(answer.statusCode ?? 502, answer.statusMessage, fields);
    answer.pipe(res);
  }

  private fail(error: Error, req: IncomingMessage, to: ServerResponse | Socket): void {
    const hop = this.hops.get(req);
    this.hops.delete(req);
    if (to instanceof Socket) {
      this.core.logger.warn({ err: error }, 'registry failed');
      to.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    // The registry closed an idle connection just as it was used: that says nothing about the registry.
    if (hop?.reusedSocket === true && !to.headersSent && !to.destroyed) return this.send(req, to, false);
    this.core.logger.warn({ err: error }, 'registry failed');
    unavailable(req, to, this.core.cors);
  }
}

export const createPassthrough = (core: Core, trusted: BlockList): Passthrough =>
  new RegistryProxy(core, trusted);
