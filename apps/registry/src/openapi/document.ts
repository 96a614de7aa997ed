/**
 * The OpenAPI 3.1 document, made from the route table alone: a path, status, schema or error is written nowhere else.
 * Pure: the same table gives the same text.
 */
import { Problem, errorTable } from '#contracts/errors';
import type { ErrorCode } from '#contracts/errors';
import type { Media, RouteSpec } from '#contracts/route';
import { routes } from '#contracts/routes';
import { parametersOf, schemaSet } from './schemas.js';
import type { JsonSchema, SchemaSet } from './schemas.js';
import { securityOf, securitySchemes } from './security.js';

type Json = Record<string, unknown>;

const media: Record<Exclude<Media, 'upload'>, string> = {
  json: 'application/json',
  form: 'application/x-www-form-urlencoded',
  bytes: 'application/octet-stream',
  'event-stream': 'text/event-stream',
};

/** @param version of the product */
export function openApiDocument(version: string): Json {
  const schemas = schemaSet();
  const problem = schemas.add(Problem, 'output');
  for (const spec of Object.values(routes).flatMap((group) => Object.values<RouteSpec>(group)))
    if (spec.response) schemas.add(spec.response, 'output');
  const paths: Record<string, Json> = {};
  for (const [group, specs] of Object.entries(routes)) {
    for (const [name, spec] of Object.entries(specs) as [string, RouteSpec][]) {
      const path = (paths[spec.path] ??= {});
      path[spec.method.toLowerCase()] = operation({ id: `${group}.${name}`, group, spec, schemas, problem });
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice',
      version,
      description:
        'The control plane of Sluice: models, versions, endpoints, runs, nodes, clients and quotas.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: Object.keys(routes).map((name) => ({ name })),
    paths,
    components: { schemas: schemas.components(), securitySchemes },
  };
}

interface OperationParts {
  readonly id: string;
  readonly group: string;
  readonly spec: RouteSpec;
  readonly schemas: SchemaSet;
  readonly problem: JsonSchema;
}

function operation({ id, group, spec, schemas, problem }: OperationParts): Json {
  const headers = [
    ...(takesIfMatch(spec) ? [ifMatchHeader] : []),
    ...(spec.idempotencyKey ? [idempotencyKeyHeader] : []),
  ];
  const parameters = [
    ...parametersOf('path', spec.params, schemas),
    ...parametersOf('query', spec.query, schemas),
    ...headers,
  ];
  const body = requestBody(spec, schemas);
  return {
    operationId: id,
    tags: [group],
    summary: spec.summary,
    security: securityOf(spec.access),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: body } : {}),
    responses: { [spec.status]: success(spec, schemas), ...problems(spec, problem) },
  };
}

const ifMatchHeader = {
  name: 'If-Match',
  in: 'header',
  required: true,
  description: 'The ETag that was read',
  schema: { type: 'string' },
};
const idempotencyKeyHeader = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'A name for this request, best a UUID in double quotes: sent again within a day, it makes nothing more and answers what it made',
  schema: { type: 'string', maxLength: 257 },
};
const etagHeader = {
  ETag: { description: 'The revision; send it back as If-Match', schema: { type: 'string' } },
};
const takesIfMatch = (spec: RouteSpec): boolean => spec.errors?.includes('PRECONDITION_REQUIRED') ?? false;

function requestBody(spec: RouteSpec, schemas: SchemaSet): Json | undefined {
  if (spec.bodyMedia === 'upload') return uploadBody;
  if (!spec.body) return undefined;
  const schema = schemas.add(spec.body, 'input');
  const type = media[spec.bodyMedia ?? 'json'];
  // The token endpoint takes JSON as well as a form.
  const types = spec.bodyMedia === 'form' ? [type, media.json] : [type];
  return { required: true, content: Object.fromEntries(types.map((name) => [name, { schema }])) };
}

const uploadBody = {
  required: true,
  content: {
    'multipart/form-data': {
      schema: {
        type: 'object',
        properties: {
          metadata: {
            type: 'string',
            contentMediaType: 'application/json',
            description: 'What the query can say, as JSON',
          },
          file: {
            type: 'array',
            items: { type: 'string', contentMediaType: 'application/octet-stream' },
            description: 'The files; their names are their paths in the version',
          },
        },
      },
    },
    'application/octet-stream': { schema: {} },
  },
};

function success(spec: RouteSpec, schemas: SchemaSet): Json {
  const headers = spec.concurrency === 'etag' ? { headers: etagHeader } : {};
  if (spec.responseMedia === 'bytes' || spec.responseMedia === 'event-stream') {
    const schema = spec.responseMedia === 'bytes' ? {} : { type: 'string' };
    return { description: spec.summary, content: { [media[spec.responseMedia]]: { schema } }, ...headers };
  }
  if (!spec.response) return { description: 'Done', ...headers };
  const schema = schemas.add(spec.response, 'output');
  return { description: spec.summary, content: { [media.json]: { schema } }, ...headers };
}

/** Every status that the route's errors have, with the codes behind it. */
function problems(spec: RouteSpec, problem: JsonSchema): Json {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set([...commonErrors(spec), ...(spec.errors ?? [])])) {
    const { status } = errorTable[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const rows = [...byStatus].toSorted(([a], [b]) => a - b);
  return Object.fromEntries(
    rows.map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `${code}: ${errorTable[code].title}`).join('; '),
        content: { 'application/problem+json': { schema: problem } },
      },
    ]),
  );
}

function commonErrors(spec: RouteSpec): ErrorCode[] {
  const isChecked = spec.params ?? spec.query ?? spec.body;
  return [
    ...(isChecked ? (['INVALID_REQUEST'] as const) : []),
    ...(spec.idempotencyKey ? (['IDEMPOTENCY_KEY_REUSED'] as const) : []),
    ...(spec.body ? (['INVALID_JSON', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const) : []),
    ...(spec.access === 'open' ? [] : (['UNAUTHENTICATED', 'FORBIDDEN', 'CLIENT_DISABLED'] as const)),
    'INTERNAL',
    'DATABASE_UNAVAILABLE',
  ];
}

/** The document as the committed file holds it. */
export const openApiText = (version: string): string =>
  `${JSON.stringify(openApiDocument(version), null, 2)}\n`;
