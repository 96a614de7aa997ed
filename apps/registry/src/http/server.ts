/**
 * The Fastify server below Nest: limits, request ids, security headers, body parsers, and the authentication hook that
 * every request passes before a byte of its body is read. Knows nothing of features.
 */
import type { RouteSpec } from '#contracts/route';
import { defaultMaxBodyBytes } from '#contracts/route';
import { endConnections } from '#platform/end-connections';
import { SluiceError, toProblem } from '#platform/errors';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';
import { noteIdempotencyKey } from '../creations/idempotency-key.js';
import { methodsAt } from './methods-at.js';
import { registerBodyParsers } from './body-parsers.js';
import type { Caller } from './caller.js';
import { toSluiceError } from './error-mapping.js';
import { sendProblem } from './problem.filter.js';
import { requestIdOf } from './request-id.js';

/** Longer than any name of 255 characters once it is percent-encoded. */
const maxPathPartChars = 4_096;

/** @param trustedProxies whose X-Forwarded-For is believed: addresses, ranges, or `loopback` and `uniquelocal` */
export function createAdapter(trustedProxies: string): FastifyAdapter {
  return new FastifyAdapter({
    logger: false,
    trustProxy: trustedProxies,
    bodyLimit: defaultMaxBodyBytes,
    // Behind a gateway that pools connections: ours must outlive its idle ones.
    keepAliveTimeout: 75_000,
    // A large upload may take hours; its headers may not.
    http: { headersTimeout: 30_000 },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: requestIdOf,
    routerOptions: { maxParamLength: maxPathPartChars },
    // A malformed URL is refused before any hook runs.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      reply.headers({ ...securityHeaders, 'x-request-id': request.id });
      sendProblem(toSluiceError(error), request, reply);
    },
    clientErrorHandler: answerBrokenRequest,
  });
}

export interface HttpOptions {
  /** Finds out who calls, or throws UNAUTHENTICATED; undefined only for open routes. */
  readonly authenticate: (
    request: FastifyRequest,
    spec: RouteSpec | undefined,
  ) => Promise<Caller | undefined>;
}

/** Must run before Nest registers its routes (`app.init`). */
export function prepareServer(fastify: FastifyInstance, options: HttpOptions): void {
  const end = endConnections(fastify.server);
  fastify.addHook('preClose', (done) => {
    end();
    done();
  });
  fastify.decorateRequest('caller', undefined);
  fastify.addHook('onRoute', (route) => {
    const limit = route.config?.spec?.maxBodyBytes;
    if (limit !== undefined) route.bodyLimit = limit;
  });
  fastify.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...securityHeaders, 'x-request-id': request.id });
    request.caller = await options.authenticate(request, request.routeOptions.config.spec);
    if (request.is404) refuseOtherMethod(request, reply);
  });
  fastify.addHook('preHandler', async (request, reply) => noteIdempotencyKey(request, reply));
  registerBodyParsers(fastify);
}

/** A path of the route table under a method that it does not have. @throws SluiceError METHOD_NOT_ALLOWED */
function refuseOtherMethod(request: FastifyRequest, reply: FastifyReply): void {
  const methods = methodsAt(request.url.split('?', 1)[0] ?? '');
  if (methods.length === 0) return;
  const allow = methods.join(', ');
  void reply.header('allow', allow);
  throw new SluiceError('METHOD_NOT_ALLOWED', `This address does not take ${request.method}. Use ${allow}.`);
}

const securityHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** What node:http itself refuses never becomes a request, so the problem is written to the socket by hand. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = toProblem(brokenRequest(error.code));
  const body = JSON.stringify(problem);
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${problem.title}`,
      'content-type: application/problem+json; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

function brokenRequest(code: string | undefined): SluiceError {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new SluiceError('HEADERS_TOO_LARGE', 'The request headers are too large.');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new SluiceError('REQUEST_TIMEOUT', 'The request did not arrive in time.');
  return new SluiceError('INVALID_REQUEST', 'The request is not valid HTTP.');
}
