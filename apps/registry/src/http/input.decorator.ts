import type { RouteSpec } from '#contracts/route';
import { SluiceError } from '#platform/errors';
import { createParamDecorator } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';

type Part = 'params' | 'query' | 'body';
type FieldError = { readonly path: string; readonly message: string };
type Parsed = Record<Part, unknown>;

/** Parses params, query and body by the route's schemas; all wrong fields of all three are reported at once. */
export function parseInput(spec: RouteSpec, request: Record<Part, unknown>): Parsed {
  const fields: FieldError[] = [];
  const parse = (part: Part, schema: z.ZodType | undefined): unknown => {
    if (schema === undefined) return undefined;
    // An absent body is an empty one: every field of it may have a default.
    const result = schema.safeParse(request[part] === undefined ? {} : request[part]);
    if (result.success) return result.data;
    fields.push(...result.error.issues.map((issue) => toField(part, issue)));
    return undefined;
  };
  const input = {
    params: parse('params', spec.params),
    query: parse('query', spec.query),
    body: parse('body', spec.body),
  };
  if (fields.length === 0) return input;
  const first = fields[0];
  throw new SluiceError('INVALID_REQUEST', `${first?.path ?? ''}: ${first?.message ?? ''}`, { fields });
}

const toField = (part: Part, issue: z.core.$ZodIssue): FieldError => ({
  path: [part, ...issue.path.map(String)].join('.'),
  message: issue.message,
});

/** `{ params, query, body }` of the request, parsed by the schemas of its row in the route table. */
export const Input = createParamDecorator((_: unknown, context): Parsed => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const { spec } = request.routeOptions.config;
  if (spec === undefined) throw new Error('@Input needs @Route');
  return parseInput(spec, { params: request.params, query: request.query, body: request.body });
});
