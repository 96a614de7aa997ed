/** The public listener: sorts requests by path, and leaves in an orderly way. */
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { IncomingMessage, RequestListener, Server, ServerOptions, ServerResponse } from 'node:http';
import type { AddressInfo, BlockList } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerTls } from '#platform/server-tls';
import type { Core } from './core.js';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';
import { Exchange } from './exchange.js';
import { openFastLane } from './fast-lane/lane.js';
import type { FastLane } from './fast-lane/lane.js';
import { HttpRequest } from './http-lane.js';
import { createPassthrough } from './passthrough.js';
import type { Passthrough } from './passthrough.js';
import { answerOwn } from './own-answers.js';
import { serve, track } from './pipeline.js';
import { changeRepository } from './repository.js';
import { refuse } from './respond.js';
import { parseRoute } from './routes.js';
import type { InferenceRoute, Route } from './routes.js';
import { takeUpgrades } from './upgrade.js';

export interface DataPlaneServer {
  readonly url: string;
  /** Takes no new connection, finishes what is under way, then closes. */
  drain(): Promise<void>;
}

/** For what names no endpoint. */
const ownRoute: InferenceRoute = { endpoint: '', pin: undefined, operation: 'metadata' };

function answer(core: Core, exchange: Exchange, route: Exclude<Route, { kind: 'registry' }>): void {
  if (route.kind === 'inference') return serve(core, exchange);
  if (route.kind === 'repository') return changeRepository(core, exchange, route.action, route.endpoint);
  if (route.kind === 'unknown') return refuse(exchange, core, unknownPath);
  if (route.kind === 'unsupported') return refuse(exchange, core, refusal('NOT_SUPPORTED', route.detail));
  if (route.kind === 'malformed') return refuse(exchange, core, malformed(exchange, route));
  answerOwn(core, exchange, route.kind);
}

const unknownPath = refusal('NOT_FOUND', 'There is no such path in the inference protocols.');

function malformed({ req }: Exchange, { path, detail }: Extract<Route, { kind: 'malformed' }>): Refusal {
  return refusal('INVALID_REQUEST', detail ?? `Malformed request: ${req.method} ${path}`);
}

function requestHandler(
  core: Core,
  passthrough: Passthrough,
): (req: IncomingMessage, res: ServerResponse, expectsContinue: boolean) => void {
  return (req, res, expectsContinue) => {
    // RFC 9112 §6.1: such a message has no trustworthy frame.
    if (
      req.httpVersionMajor === 1 &&
      req.httpVersionMinor === 0 &&
      req.headers['transfer-encoding'] !== undefined
    ) {
      res.writeHead(400, { connection: 'close' }).end();
      return;
    }
    if (core.cors?.answerPreflight(req, res)) return;
    const route = parseRoute(req.url ?? '/');
    if (route.kind === 'registry') {
      if (expectsContinue) res.writeContinue();
      passthrough.handle(req, res);
      return;
    }
    const exchange = new Exchange(
      new HttpRequest(req, expectsContinue),
      res,
      route.kind === 'inference' ? route.route : ownRoute,
    );
    track(core, exchange);
    answer(core, exchange, route);
  };
}

/**
 * Of requests that came in a row on one connection, takes each when the one before is answered, as the fast lane does: of an answer that
 * waits behind another Node does not say when its caller has gone, and what it held would never be given back.
 */
function whenFirst(res: ServerResponse, take: () => void): void {
  if (res.socket) take();
  else res.once('socket', take);
}

/** Longer than those in front keep an idle connection, so that theirs closes first. */
const keepAliveMs = 65_000;
const sweepEveryMs = (headersTimeoutMs: number): number => Math.min(5_000, headersTimeoutMs);
const drainStepMs = 50;

async function drain(
  core: Core,
  server: Server,
  fast: FastLane | undefined,
  passthrough: Passthrough,
): Promise<void> {
  core.draining = true;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A tunnel has no end of its own to wait for.
  passthrough.close();
  // The last connections are counted out in the turn in which they close.
  const ended = closed.then(() => new Promise(setImmediate)).then(() => true);
  for (let quiet = 0; !(await Promise.race([ended, sleep(drainStepMs, false)]));) {
    server.closeIdleConnections();
    fast?.closeIdle();
    // A connection that never sent anything does not count as idle.
    quiet = core.inFlight === 0 ? quiet + 1 : 0;
    if (quiet < 3) continue;
    server.closeAllConnections();
    fast?.close();
  }
  await core.upstreams.destroy();
}

export interface ListenSettings {
  readonly host: string;
  readonly port: number;
  /** How long a caller may take for the head of a request. */
  readonly headersTimeoutMs: number;
  /** Undefined: plain HTTP. */
  readonly tls: ServerTls | undefined;
  /** Whether plain requests to endpoints go past node:http. */
  readonly hasFastLane: boolean;
  /** Whose X-Forwarded fields are believed. */
  readonly trustedProxies: BlockList;
}

function open({ headersTimeoutMs, tls }: ListenSettings): Server {
  const options: ServerOptions = {
    keepAliveTimeout: keepAliveMs,
    headersTimeout: headersTimeoutMs,
    // Uploads may take hours; the inference path has its own deadline.
    requestTimeout: 0,
    connectionsCheckingInterval: sweepEveryMs(headersTimeoutMs),
    noDelay: true,
  };
  if (!tls) return createServer(options);
  const server = createTlsServer({ ...options, ...tls.options, handshakeTimeout: headersTimeoutMs });
  tls.follow(server);
  return server;
}

function openFast(core: Core, server: Server, { headersTimeoutMs }: ListenSettings): FastLane {
  const { holdBytes } = core.settings;
  const settings = { headersTimeoutMs, keepAliveMs, sweepEveryMs: sweepEveryMs(headersTimeoutMs), holdBytes };
  return openFastLane(server, settings, (request, response, route) => {
    const exchange = new Exchange(request, response, route);
    track(core, exchange);
    serve(core, exchange);
  });
}

/** Starts listening. */
export async function listen(core: Core, settings: ListenSettings): Promise<DataPlaneServer> {
  const { host, port, tls } = settings;
  const passthrough = createPassthrough(core, settings.trustedProxies);
  const handle = requestHandler(core, passthrough);
  const take =
    (expectsContinue: boolean): RequestListener =>
    (req, res) =>
      whenFirst(res, () => handle(req, res, expectsContinue));
  const server = open(settings);
  server.on('request', take(false));
  // Node drops silently what exceeds its count, the framing fields too. The size of the head is the bound (16 KiB).
  server.maxHeadersCount = 0;
  takeUpgrades(server, passthrough);
  const fast = settings.hasFastLane ? openFast(core, server, settings) : undefined;
  server.on('checkContinue', take(true));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: 1_024 }, resolve);
  });
  const { address, port: bound, family } = server.address() as AddressInfo;
  const shown = family === 'IPv6' ? `[${address}]` : address;
  return {
    url: `${tls ? 'https' : 'http'}://${shown}:${bound}`,
    drain: () => drain(core, server, fast, passthrough),
  };
}
