/** The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header): the client's name for one request, however often it is sent. */
import { SluiceError } from '#platform/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { beginExchange } from './exchange.js';

/** A structured-field string (RFC 9651 §3.3.3), or its text alone. */
const form = /^(?:"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\w.:+/=-]{1,255}))$/;

/** @throws SluiceError INVALID_REQUEST */
export function parseIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const [, quoted, bare] = form.exec(String(header)) ?? [];
  const key = quoted ?? bare;
  if (key !== undefined) return key;
  throw new SluiceError(
    'INVALID_REQUEST',
    'An Idempotency-Key holds 1 to 255 printable ASCII characters, such as a UUID, best in double quotes.',
  );
}

/** Marks the caller of a route that takes the header, if it was sent. A streamed body is known by its key alone. */
export function noteIdempotencyKey(request: FastifyRequest, reply: FastifyReply): void {
  const { spec } = request.routeOptions.config;
  const { caller, method, url } = request;
  if (spec?.idempotencyKey !== true || caller === undefined) return;
  const key = parseIdempotencyKey(request.headers['idempotency-key']);
  if (key === undefined) return;
  const body = spec.bodyMedia === 'upload' ? undefined : request.body;
  const exchange = beginExchange({ subject: caller.subject, method, path: url, body, key }, reply.raw);
  request.caller = { ...caller, exchange };
}
