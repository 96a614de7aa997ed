/**
 * The node's HTTP front: the Open Inference Protocol over what the model table holds. It decodes no tensor, and nothing
 * in it waits for a model; only health is open, everything else needs a gateway's credential.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { codeHeader } from '#contracts/errors';
import type { ErrorCode } from '#contracts/errors';
import type { ModelMetadata, ServerMetadata } from '#contracts/oip';
import { SluiceError } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { sendError, sendJson } from './answers.js';
import type { GatewayAuth } from './gateway-auth.js';
import { handleInfer, refuse } from './infer.js';
import type { ModelTable, ServedVersion } from './model-table.js';
import { methodsOf, rememberingParser } from './paths.js';
import type { Target } from './paths.js';

export interface FrontOptions {
  readonly auth: Pick<GatewayAuth, 'isRemembered' | 'check'>;
  readonly table: () => ModelTable;
  /** Whether the node has joined and is not leaving. */
  readonly isReady: () => boolean;
  readonly isDraining: () => boolean;
  readonly maxBodyBytes: number;
  readonly programVersion: string;
  readonly logger: Logger;
}

/** Above the gateway's idle time, so that the gateway closes idle connections and not we under its hands. */
const keepAliveMs = 65_000;
const headersMs = 30_000;
const requestMs = 300_000;

type Authorized = Exclude<Target, { kind: 'live' | 'ready' | 'unknown' }>;

export function createFront(options: FrontOptions): Server {
  const parse = rememberingParser();
  const server = createServer({
    keepAliveTimeout: keepAliveMs,
    headersTimeout: headersMs,
    requestTimeout: requestMs,
  });
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    if (options.isDraining()) res.shouldKeepAlive = false;
    route(options, parse(req.url ?? '/'), req, res);
  });
  server.on('clientError', answerBrokenRequest);
  return server;
}

function route(options: FrontOptions, target: Target, req: IncomingMessage, res: ServerResponse): void {
  if (target.kind === 'unknown') {
    refuse(req, res, 'NOT_FOUND', 'Not Found');
    return;
  }
  const methods = target.kind === 'unknown-version' ? undefined : methodsOf(target.kind);
  if (methods && !methods.includes(req.method ?? '')) {
    res.setHeader('allow', methods.join(', '));
    refuse(req, res, 'METHOD_NOT_ALLOWED', 'Method Not Allowed');
  } else if (target.kind === 'live') sendJson(res, { live: true });
  else if (target.kind === 'ready') answerReady(options, res);
  else if (options.auth.isRemembered(req.headers.authorization)) serve(options, target, req, res);
  else void authorize(options, target, req, res);
}

async function authorize(
  options: FrontOptions,
  target: Authorized,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  try {
    await options.auth.check(req.headers.authorization);
    serve(options, target, req, res);
  } catch (error) {
    if (error instanceof SluiceError) {
      refuse(req, res, error.code, error.detail);
      return;
    }
    options.logger.error({ err: error }, 'a request failed');
    refuse(req, res, 'INTERNAL', 'Something failed inside the node.');
  }
}

function answerReady({ isReady }: FrontOptions, res: ServerResponse): void {
  if (isReady()) sendJson(res, { ready: true });
  else sendError(res, 'NOT_READY', 'The node has not joined the registry, or is leaving.');
}

function serve(options: FrontOptions, target: Authorized, req: IncomingMessage, res: ServerResponse): void {
  if (target.kind === 'server') {
    const metadata: ServerMetadata = { name: 'sluice', version: options.programVersion, extensions: [] };
    sendJson(res, metadata);
    return;
  }
  if (target.kind === 'unknown-version') {
    refuse(
      req,
      res,
      'VERSION_NOT_FOUND',
      `Model '${target.model}' has no version '${target.version}' on this node.`,
    );
    return;
  }
  const table = options.table();
  const served = table.find(target.model, target.version);
  if (!served) refuseUnserved(table, target, req, res);
  else if (target.kind === 'infer') handleInfer(req, res, served, options.maxBodyBytes);
  else if (target.kind === 'model-ready') answerModelReady(served, res);
  else sendJson(res, metadataOf(table, served));
}

function refuseUnserved(
  table: ModelTable,
  { model, version }: { readonly model: string; readonly version?: number },
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const [code, what]: [ErrorCode, string] = table.holds(model, version)
    ? ['NO_READY_REPLICA', 'is not ready on this node yet']
    : [table.holds(model) ? 'VERSION_NOT_FOUND' : 'MODEL_NOT_FOUND', 'is not on this node'];
  refuse(req, res, code, `Model '${model}'${version === undefined ? '' : ` version ${version}`} ${what}.`);
}

function answerModelReady({ model, version, state }: ServedVersion, res: ServerResponse): void {
  if (state === 'READY') sendJson(res, { name: model, ready: true });
  else sendError(res, 'NO_READY_REPLICA', `Model '${model}' version ${version} is leaving this node.`);
}

const metadataOf = (table: ModelTable, { model, version, signature }: ServedVersion): ModelMetadata => {
  const ready = table.readyVersions(model);
  return {
    name: model,
    versions: (ready.length > 0 ? ready : [version]).map(String),
    platform: 'onnx_onnxv1',
    inputs: signature.inputs,
    outputs: signature.outputs,
  };
};

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
