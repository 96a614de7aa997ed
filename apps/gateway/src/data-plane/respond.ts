/** Writes answers to the caller: the node's, with our fields, or our own refusals. */
import { codeHeader } from '#contracts/errors';
import { sluiceHeaders } from '#contracts/oip';
import { pushRateLimit } from './admit.js';
import type { ResponseHeaders } from './attempt.js';
import { hasBody } from './caller.js';
import type { Core } from './core.js';
import { isCorsField } from './cors.js';
import { writeRefusal } from './errors.js';
import type { Refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import { isHopByHop, listedByConnection } from './hop-headers.js';
import type { Replica } from './upstreams.js';

/** An unread body up to this size is read away, which keeps the connection. */
const readAwayBytes = 65_536;

function pushOwn(fields: string[], exchange: Exchange, core: Core): void {
  fields.push(sluiceHeaders.requestId, exchange.requestId);
  if (exchange.version) fields.push(sluiceHeaders.version, exchange.version.label);
  pushRateLimit(fields, exchange, core.leases);
  core.cors?.push(fields, exchange.req.headers);
  if (core.draining) fields.push('connection', 'close');
}

/** The head of a node's answer. Its own x-sluice fields are dropped, but for the code. */
export function writeAnswerHead(
  exchange: Exchange,
  core: Core,
  replica: Replica,
  status: number,
  headers: ResponseHeaders,
): void {
  const listed = listedByConnection(headers['connection']);
  const fields: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || isHopByHop(name) || listed.has(name)) continue;
    if (core.cors && isCorsField(name)) continue;
    if (name.startsWith('x-sluice-') ? name !== codeHeader : name === sluiceHeaders.requestId) continue;
    if (typeof value === 'string') fields.push(name, value);
    else for (const one of value) fields.push(name, one);
  }
  pushOwn(fields, exchange, core);
  fields.push(sluiceHeaders.node, replica.nodeId);
  exchange.res.writeHead(status, fields);
}

const wantsProblem = (accept: string | undefined): boolean =>
  accept?.includes('application/problem+json') ?? false;

/** Refuses the request, whether its body has been read or not. Does nothing once an answer has begun. */
export function refuse(exchange: Exchange, core: Core, reason: Refusal): void {
  const { req, res } = exchange;
  if (res.headersSent || res.destroyed) return;
  exchange.outcome = reason.code;
  const { status, headers, body } = writeRefusal(reason, wantsProblem(req.headers.accept));
  pushOwn(headers, exchange, core);
  const isSmall = Number(req.headers['content-length'] ?? (hasBody(req) ? Infinity : 0)) <= readAwayBytes;
  if (req.complete || (isSmall && reason.code !== 'REQUEST_TIMEOUT')) {
    res.writeHead(status, headers).end(body);
    return;
  }
  if (!core.draining) headers.push('connection', 'close');
  res.writeHead(status, headers);
  // A caller that waits for "100 Continue" sends nothing more; any other is in the middle of its body.
  if (req.expectsContinue) res.end(body);
  else {
    res.write(body);
    req.readAway(() => res.end());
  }
}

/** A small JSON answer of the gateway itself. */
export function answerJson(exchange: Exchange, core: Core, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  const fields = ['content-type', 'application/json', 'content-length', String(body.length)];
  pushOwn(fields, exchange, core);
  exchange.res.writeHead(status, fields).end(body);
}
