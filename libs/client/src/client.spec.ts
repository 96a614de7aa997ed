import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { SluiceClientError, createClient } from './client.js';
import { clientCredentials } from './credentials.js';

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A peer on a real socket. */
async function serve(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => handler(request, response, body));
  });
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

describe('createClient', () => {
  it('fills in path and query, sends the token, and parses the answer', async () => {
    const seen: (string | undefined)[] = [];
    const baseUrl = await serve((request, response) => {
      seen.push(request.method, request.url, request.headers.authorization);
      json(response, 200, { items: [] });
    });
    const client = createClient({ baseUrl, token: () => 't1' });
    await client.versions.list({ params: { model: 'a b' }, query: { page_size: 5 } });
    expect(seen).toEqual(['GET', '/api/v1/models/a%20b/versions?page_size=5', 'Bearer t1']);
  });

  it('turns a problem into an error with its code', async () => {
    const problem = {
      type: 'urn:x',
      title: 't',
      status: 404,
      code: 'MODEL_NOT_FOUND',
      detail: 'No such model.',
      retryable: false,
    };
    const baseUrl = await serve((_, response) => json(response, 404, problem));
    const call = createClient({ baseUrl }).models.read({ params: { model: 'x' } });
    await expect(call).rejects.toMatchObject({
      status: 404,
      code: 'MODEL_NOT_FOUND',
      problem: { detail: 'No such model.' },
    });
  });

  it('does not take an answer that breaks the contract', async () => {
    const baseUrl = await serve((_, response) => json(response, 200, { items: [{ name: 'half a model' }] }));
    await expect(createClient({ baseUrl }).models.list()).rejects.toThrow();
  });

  it('says who does not answer', async () => {
    const client = createClient({ baseUrl: 'http://127.0.0.1:9' });
    const error: unknown = await client.models.list().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SluiceClientError);
    expect(error).toMatchObject({ status: 0, message: expect.stringContaining('127.0.0.1:9') });
  });
});

describe('clientCredentials', () => {
  it('shares one request among callers, keeps the token, and renews it before it ends', async () => {
    let issued = 0;
    const baseUrl = await serve((_, response, body) => {
      expect(new URLSearchParams(body).get('grant_type')).toBe('client_credentials');
      issued += 1;
      json(response, 200, { access_token: `t${issued}`, token_type: 'Bearer', expires_in: 900, scope: '' });
    });
    let nowMs = 0;
    const token = clientCredentials({ baseUrl, clientId: 'me', clientSecret: 's' }, () => nowMs);
    expect(await Promise.all([token(), token(), token()])).toEqual(['t1', 't1', 't1']);
    nowMs = 839_000;
    expect(await token()).toBe('t1');
    nowMs = 841_000;
    expect(await token()).toBe('t2');
  });
});
