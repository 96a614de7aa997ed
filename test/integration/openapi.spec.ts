import type { RouteSpec } from '#contracts/route';
import { routes } from '#contracts/routes';
import { packageRoot, programVersion } from '#platform/program';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openApiDocument, openApiText } from '../../apps/registry/src/openapi/document.js';
import { adminSecret, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

const specs = Object.values(routes).flatMap((group) => Object.values<RouteSpec>(group));
const Document = z.looseObject({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), z.looseObject({ operationId: z.string() }))),
  components: z.object({ schemas: z.record(z.string(), z.unknown()), securitySchemes: z.unknown() }),
});

describe('the OpenAPI document', () => {
  const document = Document.parse(openApiDocument(programVersion));

  it('is the committed one', () => {
    expect(readFileSync(join(packageRoot, 'openapi.json'), 'utf8')).toBe(openApiText(programVersion));
  });

  it('has every route of the table and no other', () => {
    const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.toSorted()).toEqual(specs.map((spec) => `${spec.method} ${spec.path}`).toSorted());
  });

  it('refers only to components that it has', () => {
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
    expect(refs.length).toBeGreaterThan(50);
    for (const [, name] of refs) expect(document.components.schemas).toHaveProperty([name ?? '']);
    expect(JSON.stringify(document)).not.toContain('$defs');
  });

  it('has unique operation ids', () => {
    const ids = Object.values(document.paths).flatMap((operations) =>
      Object.values(operations).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('the documentation', () => {
  let registry: TestRegistry;
  const basic = (secret: string) => ({
    authorization: `Basic ${Buffer.from(`admin:${secret}`).toString('base64')}`,
  });
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry.close());

  it('asks a browser for a client id and secret', async () => {
    const answer = await registry.send('GET', '/api/docs');
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Basic realm="sluice"');
  });

  it.each(['/api/docs', '/api/docs/swagger-ui-bundle.js', '/api/docs/swagger-ui-init.js', '/api/docs-json'])(
    'shows %s to a client, by Basic or Bearer, and to nobody else',
    async (path) => {
      const statusOf = async (headers: Record<string, string>) =>
        (await registry.send('GET', path, { headers })).status;
      expect(await statusOf({})).toBe(401);
      expect(await statusOf(basic('a wrong secret'))).toBe(401);
      expect(await statusOf(basic(adminSecret))).toBe(200);
      expect(await statusOf({ authorization: `Bearer ${registry.adminToken}` })).toBe(200);
    },
  );

  it('takes nothing from another host', async () => {
    const html = await (await registry.send('GET', '/api/docs', { headers: basic(adminSecret) })).text();
    expect(html).toContain('swagger-ui-bundle.js');
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });

  it('does not take Basic on any other address', async () => {
    const answer = await registry.send('GET', '/api/v1/clients', { headers: basic(adminSecret) });
    expect(answer.status).toBe(401);
  });
});
