import type { HttpMethod, RouteSpec } from '#contracts/route';
import { HttpCode, RequestMapping, RequestMethod, UseInterceptors, applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { EtagInterceptor } from './etag.js';

const methods: Record<HttpMethod, RequestMethod> = {
  GET: RequestMethod.GET,
  POST: RequestMethod.POST,
  PUT: RequestMethod.PUT,
  PATCH: RequestMethod.PATCH,
  DELETE: RequestMethod.DELETE,
};

/** `/models/{model}` as Fastify writes it: `/models/:model`. */
export const toFastifyPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

/** Serves a row of the route table: method, path, status of success, access rule and body limit come from there. */
export function Route(spec: RouteSpec): MethodDecorator {
  return applyDecorators(
    RequestMapping({ method: methods[spec.method], path: toFastifyPath(spec.path) }),
    HttpCode(spec.status),
    RouteConfig({ spec }),
    ...(spec.concurrency === 'etag' ? [UseInterceptors(EtagInterceptor)] : []),
  );
}
