/**
 * The node's HTTP front: finds what an address asks for, who may ask, and hands it to the protocol's own file. It decodes
 * no tensor, and nothing in it waits for a model; only health is open, everything else needs a gateway's credential.
 */
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { codeHeader } from '#contracts/errors';
import type { ErrorCode } from '#contracts/errors';
import { nodeExtensions } from '#contracts/oip';
import { SluiceError } from '#platform/errors';
import type { Logger } from '#platform/logger';
import type { ServerTls } from '#platform/server-tls';
import type { SpanSink } from '#platform/spans';
import { sendError, sendJson } from './answers.js';
import type { FrontContext, FrontLimits } from './front-context.js';
import type { GatewayAuth } from './gateway-auth.js';
import { handleInfer } from './infer.js';
import { namesOf } from './request-names.js';
import { modelConfig } from './model-config.js';
import type { ModelTable } from './model-table.js';
import { answerModelReady, modelList, modelMetadata, refuseUnserved } from './oip-routes.js';
import { methodsOf, rememberingParser } from './paths.js';
import type { OnModel, Target } from './paths.js';
import { refuse } from './refuse.js';
import { Statistics } from './statistics.js';
import { answerStatus, refuseServable, signatureMetadata } from './tfserving.js';
import { answerAllStatistics, answerIndex, answerStatistics, refuseRepository } from './triton-extensions.js';

export interface FrontOptions {
  readonly auth: Pick<GatewayAuth, 'isRemembered' | 'check'>;
  readonly table: () => ModelTable;
  /** Whether the node has joined and is not leaving. */
  readonly isReady: () => boolean;
  readonly isDraining: () => boolean;
  readonly limits: FrontLimits;
  readonly serverName: string;
  readonly programVersion: string;
  readonly logger: Logger;
  /** Undefined: plain HTTP. */
  readonly tls: ServerTls | undefined;
  readonly spans: SpanSink | undefined;
}

/** Above the gateway's idle time, so that the gateway closes idle connections and not we under its hands. */
const keepAliveMs = 65_000;
const headersMs = 30_000;
const checkEveryMs = 5_000;

interface Front extends FrontContext, Pick<FrontOptions, 'auth' | 'isReady'> {}
type Authorized = Exclude<Target, { kind: 'live' | 'ready' | 'unknown' }>;

export function createFront(options: FrontOptions): Server {
  const { table, limits, serverName, programVersion } = options;
  const front: Front = {
    ...options,
    statistics: new Statistics(table),
    server: { name: serverName, version: programVersion, extensions: [...nodeExtensions] },
  };
  const parse = rememberingParser();
  const settings = {
    keepAliveTimeout: keepAliveMs,
    headersTimeout: Math.min(headersMs, limits.bodyTimeoutMs),
    requestTimeout: limits.bodyTimeoutMs,
    connectionsCheckingInterval: checkEveryMs,
  };
  const server = open(settings, options.tls);
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    if (options.isDraining()) res.shouldKeepAlive = false;
    route(front, parse(req.url ?? '/'), req, res);
  });
  server.on('clientError', answerBrokenRequest);
  return server;
}

function open(settings: ServerOptions, tls: ServerTls | undefined): Server {
  if (!tls) return createHttpServer(settings);
  const server = createHttpsServer({ ...settings, ...tls.options });
  tls.follow(server);
  return server;
}

function route(front: Front, target: Target, req: IncomingMessage, res: ServerResponse): void {
  const methods = methodsOf(target.kind);
  if (target.kind === 'unknown') refuse(req, res, 'NOT_FOUND', 'Not Found');
  else if (methods && !methods.includes(req.method ?? '')) {
    res.setHeader('allow', methods.join(', '));
    refuse(req, res, 'METHOD_NOT_ALLOWED', 'Method Not Allowed');
  } else if (target.kind === 'live') sendJson(res, { live: true });
  else if (target.kind === 'ready') answerReady(front, res);
  else if (front.auth.isRemembered(req.headers.authorization)) serve(front, target, req, res);
  else void authorize(front, target, req, res);
}

async function authorize(
  front: Front,
  target: Authorized,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  try {
    await front.auth.check(req.headers.authorization);
    serve(front, target, req, res);
  } catch (error) {
    if (error instanceof SluiceError) {
      refuse(req, res, error.code, error.detail);
      return;
    }
    front.logger.error({ err: error, ...namesOf(req) }, 'a request failed');
    refuse(req, res, 'INTERNAL', 'Something failed inside the node.');
  }
}

function answerReady({ isReady }: Front, res: ServerResponse): void {
  if (isReady()) sendJson(res, { ready: true });
  else sendError(res, 'NOT_READY', 'The node has not joined the registry, or is leaving.');
}

/** The target with the version that its alias means now, if it has one; undefined: the node knows no such alias. */
function resolve<T extends Authorized>(table: ModelTable, target: T): T | undefined {
  if (!('label' in target)) return target;
  const version = table.named(target.model, target.label);
  return version === undefined ? undefined : { ...target, version };
}

function serve(front: Front, asked: Authorized, req: IncomingMessage, res: ServerResponse): void {
  const target = resolve(front.table(), asked);
  if (target === undefined) {
    refuseAlias(asked, req, res);
    return;
  }
  switch (target.kind) {
    case 'infer':
    case 'model':
    case 'model-ready':
    case 'config':
    case 'signatures':
      serveVersion(front, target, req, res);
      return;
    case 'server':
      sendJson(res, front.server);
      return;
    case 'models':
      sendJson(res, modelList(front.table()));
      return;
    case 'all-stats':
      answerAllStatistics(front, res);
      return;
    case 'stats':
      answerStatistics(front, target, req, res);
      return;
    case 'index':
      answerIndex(front, req, res);
      return;
    case 'status':
      answerStatus(front.table(), target, req, res);
      return;
    case 'repository':
    case 'unsupported':
    case 'unnamed':
    case 'malformed':
      serveNothing(target, req, res);
  }
}

type OfVersion = Extract<Authorized, { kind: 'infer' | 'model' | 'model-ready' | 'config' | 'signatures' }>;

function serveVersion(front: Front, target: OfVersion, req: IncomingMessage, res: ServerResponse): void {
  const table = front.table();
  const served = table.find(target.model, target.version);
  if (!served) refuseVersion(table, target, req, res);
  else if (target.kind === 'infer') handleInfer(front, req, res, served, target.protocol);
  else if (target.kind === 'model-ready') answerModelReady(served, res);
  else if (target.kind === 'config') sendJson(res, modelConfig(served));
  else if (target.kind === 'signatures') sendJson(res, signatureMetadata(served));
  else sendJson(res, modelMetadata(table, served));
}

function refuseVersion(
  table: ModelTable,
  target: OfVersion,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  (isTensorFlow(target) ? refuseServable : refuseUnserved)(table, target satisfies OnModel, req, res);
}

/** Whether it is asked for in TensorFlow Serving's protocol. */
const isTensorFlow = (target: Authorized): boolean =>
  target.kind === 'signatures' ||
  target.kind === 'status' ||
  (target.kind === 'infer' && target.protocol !== 'oip');

function refuseAlias(target: Authorized, req: IncomingMessage, res: ServerResponse): void {
  const { model, label } = { model: '', label: '', ...target };
  if (isTensorFlow(target))
    refuse(req, res, 'INVALID_REQUEST', `Unrecognized servable version label: ${label}`);
  else refuse(req, res, 'VERSION_NOT_FOUND', `Model '${model}' has no version '${label}' on this node.`);
}

type Nothing = Extract<Authorized, { kind: 'repository' | 'unsupported' | 'unnamed' | 'malformed' }>;

function serveNothing(target: Nothing, req: IncomingMessage, res: ServerResponse): void {
  switch (target.kind) {
    case 'repository':
      refuseRepository(req, res, target.action);
      return;
    case 'unsupported':
      refuse(req, res, 'NOT_SUPPORTED', target.detail);
      return;
    case 'unnamed':
      refuse(req, res, 'INVALID_REQUEST', 'Missing model name in request.');
      return;
    case 'malformed':
      refuse(req, res, 'INVALID_REQUEST', `Malformed request: ${req.method} ${req.url}`);
  }
}

const brokenRequests: Readonly<
  Record<string, { readonly line: string; readonly code: ErrorCode; readonly text: string }>
> = {
  HPE_HEADER_OVERFLOW: {
    line: '431 Request Header Fields Too Large',
    code: 'HEADERS_TOO_LARGE',
    text: 'The request headers are too large.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    line: '408 Request Timeout',
    code: 'REQUEST_TIMEOUT',
    text: 'The request did not arrive in time.',
  },
};
const malformed = {
  line: '400 Bad Request',
  code: 'INVALID_REQUEST',
  text: 'The request is not valid HTTP.',
} as const;

/** What the parser refused never becomes a request; the answer is written by hand and the connection closed. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const { line, code, text } = brokenRequests[error.code ?? ''] ?? malformed;
  const body = JSON.stringify({ error: text });
  socket.end(
    `HTTP/1.1 ${line}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `${codeHeader}: ${code}\r\nconnection: close\r\n\r\n${body}`,
  );
}
