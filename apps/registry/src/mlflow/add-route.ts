/** How a call of MLflow's protocol gets on the server: authorized like a row of the route table, whose errors become MLflow's. */
import type { Access, HttpMethod, RouteSpec } from '#contracts/route';
import { SluiceError } from '#platform/errors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { authorize } from '../http/access.guard.js';
import type { Caller } from '../http/caller.js';
import { toFastifyPath } from '../http/route.decorator.js';

export type Handler = (request: FastifyRequest, reply: FastifyReply, caller: Caller) => Promise<unknown>;

export const apiRoot = '/api/2.0/mlflow';

export function addRoute(
  fastify: FastifyInstance,
  { method, access }: { readonly method: HttpMethod; readonly access: Access },
  path: string,
  handler: Handler,
): void {
  const spec: RouteSpec = { method, path, summary: 'MLflow', access, status: 200 };
  fastify.route({
    method,
    url: toFastifyPath(path),
    config: { spec },
    handler: async (request, reply) => {
      authorize(spec, request.caller, {});
      if (request.caller === undefined) throw new SluiceError('UNAUTHENTICATED', 'Send a token.');
      return handler(request, reply, request.caller);
    },
  });
}

/** A route that takes no token. */
export function addOpenRoute(
  fastify: FastifyInstance,
  method: HttpMethod,
  path: string,
  handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>,
): void {
  const spec: RouteSpec = { method, path, summary: 'MLflow', access: 'open', status: 200 };
  fastify.route({ method, url: toFastifyPath(path), config: { spec }, handler });
}

/** The fields of query, body and path together. @throws SluiceError INVALID_REQUEST */
export function fieldsOf({ query, body, params }: FastifyRequest): Record<string, unknown> {
  if (body !== undefined && (typeof body !== 'object' || body === null || Array.isArray(body)))
    throw new SluiceError('INVALID_REQUEST', 'The body must be a JSON object.');
  return { ...(query as object), ...body, ...(params as object) };
}
