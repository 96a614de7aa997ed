import { SluiceClientError } from '#client/client';
import { Jwks, TokenClaims, TokenResponse } from '#contracts/clients';
import { Problem } from '#contracts/errors';
import { tokenVerifier } from '#platform/tokens';
import { SignJWT, base64url, decodeJwt, decodeProtectedHeader, importPKCS8 } from 'jose';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TokenIssuer } from '../../apps/registry/src/auth/token-issuer.service.js';
import {
  adminSecret,
  gatewayJoinToken,
  nodeJoinToken,
  openRegistry,
  startRegistry,
} from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

const formType = 'application/x-www-form-urlencoded';
const basic = (id: string, secret: string): string =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;

function askForToken(
  fields: Record<string, string> | string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const body = typeof fields === 'string' ? fields : new URLSearchParams(fields).toString();
  return registry.send('POST', '/oauth/token', { body, headers: { 'content-type': formType, ...headers } });
}

const statusWith = async (token: string): Promise<number> =>
  (await registry.send('GET', '/api/v1/clients', { headers: { authorization: `Bearer ${token}` } })).status;

describe('POST /oauth/token', () => {
  const grant = { grant_type: 'client_credentials' };
  const right = { ...grant, client_id: 'admin', client_secret: adminSecret };

  it.each([
    ['a form', () => askForToken(right)],
    ['HTTP Basic', () => askForToken(grant, { authorization: basic('admin', adminSecret) })],
    ['form-encoded Basic', () => askForToken(grant, { authorization: basic('adm%69n', adminSecret) })],
    ['JSON', () => askForToken(JSON.stringify(right), { 'content-type': 'application/json' })],
  ])('takes id and secret as %s', async (_, ask) => {
    const answer = await ask();
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const token = TokenResponse.parse(await answer.json());
    expect(token).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: 'admin' });
    expect(await statusWith(token.access_token)).toBe(200);
  });

  it('issues a token that gateways and nodes can verify with the JWKS alone', async () => {
    const jwks = Jwks.parse(await (await registry.send('GET', '/.well-known/jwks.json')).json());
    const verify = tokenVerifier(jwks, { issuer: 'sluice', audience: 'sluice' });
    const verified = await verify(registry.adminToken);
    expect(verified).toMatchObject({ subject: 'client:admin', clientId: 'admin', scopes: ['admin'] });
    const { iat, exp } = TokenClaims.parse(decodeJwt(registry.adminToken));
    expect(exp - iat).toBe(900);
  });

  it('publishes no private part of a key', async () => {
    const text = await (await registry.send('GET', '/.well-known/jwks.json')).text();
    expect(text).not.toMatch(/"(d|p|q|dp|dq|qi)":/);
  });

  it('gives the subset of scopes that was asked for, and nothing beyond', async () => {
    const caller = await registry.caller('models:write', 'infer');
    const ask = (scope: string) =>
      askForToken({ ...grant, client_id: caller.clientId, client_secret: caller.secret, scope });
    const scopeOf = async (answer: Response) => TokenResponse.parse(await answer.json()).scope;
    expect(await scopeOf(await ask(''))).toBe('models:write infer');
    expect(await scopeOf(await ask('infer'))).toBe('infer');
    expect(await scopeOf(await ask('models:read infer:iris'))).toBe('models:read infer:iris');
    for (const scope of ['admin', 'infer runs:write', 'gateway', 'nonsense']) {
      const answer = await ask(scope);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ code: 'INVALID_REQUEST', error: 'invalid_scope' });
    }
  });

  it('answers an unknown client as it answers a wrong secret', async () => {
    const strip = async (answer: Response) => {
      const { request_id: _, ...body } = (await answer.json()) as Record<string, unknown>;
      const { status, headers } = answer;
      return { status, challenge: headers.get('www-authenticate'), body };
    };
    const wrong = await strip(await askForToken({ ...right, client_secret: 'wrong' }));
    const unknown = await strip(await askForToken({ ...right, client_id: 'nobody' }));
    const strange = await strip(await askForToken({ ...right, client_id: 'no\0body' }));
    expect(wrong).toMatchObject({ status: 401, body: { code: 'INVALID_CLIENT', error: 'invalid_client' } });
    expect(wrong.challenge).toBe('Basic realm="sluice"');
    expect(unknown).toEqual(wrong);
    expect(strange).toEqual(wrong);
  });

  it.each([
    ['no grant type', { client_id: 'admin', client_secret: adminSecret }, 400, 'unsupported_grant_type'],
    ['another grant type', { ...right, grant_type: 'password' }, 400, 'unsupported_grant_type'],
    ['no client', grant, 401, 'invalid_client'],
    ['no secret', { ...grant, client_id: 'admin' }, 401, 'invalid_client'],
    ['a field twice', `${new URLSearchParams(right).toString()}&client_id=x`, 400, 'invalid_request'],
    ['nothing', '', 400, 'unsupported_grant_type'],
  ])('refuses %s', async (_, fields, status, error) => {
    const answer = await askForToken(fields);
    expect(answer.status).toBe(status);
    const body: unknown = await answer.json();
    expect(body).toMatchObject({ error });
    expect(Problem.parse(body).status).toBe(status);
  });

  it('refuses the secret in two places at once', async () => {
    const answer = await askForToken(right, { authorization: basic('admin', adminSecret) });
    expect(answer.status).toBe(400);
  });

  it('refuses a body that is too large, or of another type', async () => {
    expect((await askForToken(`grant_type=${'x'.repeat(1_100_000)}`)).status).toBe(413);
    expect((await askForToken('<xml/>', { 'content-type': 'text/xml' })).status).toBe(415);
  });
});

describe('a token', () => {
  interface Parts {
    readonly alg?: string;
    readonly kid?: string;
    readonly claims?: Record<string, unknown>;
  }

  /** Signs with the installation's own key whatever is asked. */
  async function forge({ kid, claims = {} }: Parts): Promise<string> {
    const rows = await registry.dataSource.query<{ kid: string; private_pem: string }[]>(
      'SELECT kid, private_pem FROM signing_keys',
    );
    const key = await importPKCS8(rows[0]?.private_pem ?? '', 'RS256');
    const nowS = Math.floor(Date.now() / 1_000);
    const payload = {
      iss: 'sluice',
      aud: 'sluice',
      sub: 'client:admin',
      client_id: 'admin',
      scope: 'admin',
      iat: nowS,
      exp: nowS + 60,
      ...claims,
    };
    return new SignJWT(payload)
      .setProtectedHeader({ alg: 'RS256', kid: kid ?? rows[0]?.kid ?? '' })
      .sign(key);
  }

  const encode = (value: unknown): string => base64url.encode(JSON.stringify(value));
  const payloadOf = (token: string): string => token.split('.')[1] ?? '';
  const nowS = (): number => Math.floor(Date.now() / 1_000);

  it('forged rightly would be accepted: the cases below fail for their own reason', async () => {
    expect(await statusWith(await forge({}))).toBe(200);
  });

  const wrong: readonly (readonly [string, () => string | Promise<string>])[] = [
    ['garbage', () => 'garbage'],
    ['three dots of garbage', () => 'a.b.c'],
    ['empty parts', () => '..'],
    ['the join token', () => nodeJoinToken],
    ['a huge one', () => `${registry.adminToken}${'A'.repeat(9_000)}`],
    ['one without signature', () => registry.adminToken.replace(/[^.]+$/, '')],
    ['a broken signature', () => registry.adminToken.replace(/.{8}$/, 'AAAAAAAA')],
    [
      'another payload under the same signature',
      () => {
        const [header, , signature] = registry.adminToken.split('.');
        const claims = { ...decodeJwt(registry.adminToken), exp: nowS() + 9_999 };
        return `${header}.${encode(claims)}.${signature}`;
      },
    ],
    ['alg none', () => `${encode({ alg: 'none' })}.${payloadOf(registry.adminToken)}.`],
    [
      'alg none with our key id',
      () =>
        `${encode({ ...decodeProtectedHeader(registry.adminToken), alg: 'none' })}.${payloadOf(registry.adminToken)}.`,
    ],
    ['HS256 with the public key as the secret', () => hmacWithPublicKey()],
    [
      'another algorithm than the key is for',
      () => {
        const { kid } = decodeProtectedHeader(registry.adminToken);
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
        return new SignJWT(decodeJwt(registry.adminToken))
          .setProtectedHeader({ alg: 'ES256', kid: kid ?? '' })
          .sign(privateKey);
      },
    ],
    [
      'PS256 with our own key',
      async () => {
        const rows = await registry.dataSource.query<{ kid: string; private_pem: string }[]>(
          'SELECT kid, private_pem FROM signing_keys',
        );
        return new SignJWT(decodeJwt(registry.adminToken))
          .setProtectedHeader({ alg: 'PS256', kid: rows[0]?.kid ?? '' })
          .sign(await importPKCS8(rows[0]?.private_pem ?? '', 'PS256'));
      },
    ],
    [
      'a key of somebody else under our key id',
      () => {
        const { kid } = decodeProtectedHeader(registry.adminToken);
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
        return new SignJWT(decodeJwt(registry.adminToken))
          .setProtectedHeader({ alg: 'RS256', kid: kid ?? '' })
          .sign(privateKey);
      },
    ],
    ['an unknown key id', () => forge({ kid: 'unknown' })],
    ['an expired one', () => forge({ claims: { iat: nowS() - 100, exp: nowS() - 10 } })],
    ['one from the future', () => forge({ claims: { nbf: nowS() + 60 } })],
    ['one without end', () => forge({ claims: { exp: undefined } })],
    ['another issuer', () => forge({ claims: { iss: 'other' } })],
    ['no issuer', () => forge({ claims: { iss: undefined } })],
    ['another audience', () => forge({ claims: { aud: 'other' } })],
    ['no audience', () => forge({ claims: { aud: undefined } })],
    ['no subject', () => forge({ claims: { sub: undefined } })],
    ['a scope that is no text', () => forge({ claims: { scope: ['admin'] } })],
    ['a client that does not exist', () => forge({ claims: { client_id: 'ghost', sub: 'client:ghost' } })],
  ];

  async function hmacWithPublicKey(): Promise<string> {
    const rows = await registry.dataSource.query<{ kid: string; private_pem: string }[]>(
      'SELECT kid, private_pem FROM signing_keys',
    );
    const pem = createPublicKey(rows[0]?.private_pem ?? '').export({ type: 'spki', format: 'pem' });
    return new SignJWT(decodeJwt(registry.adminToken))
      .setProtectedHeader({ alg: 'HS256', kid: rows[0]?.kid ?? '' })
      .sign(Buffer.from(pem.toString()));
  }

  it.each(wrong)('is refused: %s', async (_, make) => {
    const headers = { authorization: `Bearer ${await make()}` };
    const answer = await registry.send('GET', '/api/v1/clients', { headers });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="sluice"/);
    expect(Problem.parse(await answer.json()).code).toBe('UNAUTHENTICATED');
  });

  it.each(['', 'Bearer', 'Bearer ', 'bearer', 'Basic YWRtaW46eA==', 'Token abc', 'Bearer a b'])(
    'is refused in the header %j',
    async (authorization) => {
      const answer = await registry.send('GET', '/api/v1/clients', { headers: { authorization } });
      expect(answer.status).toBe(401);
    },
  );

  it('is not taken from the query', async () => {
    const answer = await registry.send('GET', `/api/v1/clients?access_token=${registry.adminToken}`);
    expect(answer.status).toBe(401);
  });
});

describe('machine credentials', () => {
  const nodeId = uuidv7();
  const statusOf = async (call: Promise<unknown>): Promise<number> => {
    const failure: unknown = await call.then(
      () => undefined,
      (error: unknown) => error,
    );
    return failure instanceof SluiceClientError ? failure.status : 200;
  };
  const issuer = () => registry.app.get(TokenIssuer);

  it('of a node work for that node only, and for nothing of clients or gateways', async () => {
    const { token } = await issuer().issueForNode(nodeId, 1);
    const node = registry.clientWith(token);
    const renew = (id: string) => node.nodes.renew({ params: { node_id: id }, body: { replicas: [] } });
    expect(await statusOf(renew(uuidv7()))).toBe(403);
    expect(await statusOf(node.clients.list())).toBe(403);
    expect(await statusOf(node.gateways.snapshot())).toBe(403);
  });

  it('of a gateway do not work for nodes', async () => {
    const { token } = await issuer().issueForGateway(uuidv7());
    const gateway = registry.clientWith(token);
    const renew = gateway.nodes.renew({ params: { node_id: nodeId }, body: { replicas: [] } });
    expect(await statusOf(renew)).toBe(403);
    expect(await statusOf(gateway.models.list())).toBe(403);
  });

  it('cannot be replaced by an admin’s', async () => {
    const renew = registry.admin.nodes.renew({ params: { node_id: nodeId }, body: { replicas: [] } });
    expect(await statusOf(renew)).toBe(403);
    expect(await statusOf(registry.admin.gateways.snapshot())).toBe(403);
  });

  it('are given only for the right join token', async () => {
    const body = { name: 'gw', program_version: '1' };
    for (const token of [
      nodeJoinToken,
      `${gatewayJoinToken}x`,
      gatewayJoinToken.slice(1),
      registry.adminToken,
    ])
      expect(await statusOf(registry.clientWith(token).gateways.register({ body }))).toBe(401);
    const node = {
      name: 'n',
      address: 'http://127.0.0.1:1',
      capacity: { cores: 1, memory_bytes: 1 },
      program_version: '1',
    };
    expect(await statusOf(registry.clientWith(gatewayJoinToken).nodes.register({ body: node }))).toBe(401);
    expect(await statusOf(registry.clientWith(nodeJoinToken).models.list())).toBe(401);
  });
});

describe('signing keys', () => {
  it('are one for all registries of a database, however they start', async () => {
    const twins = await Promise.all([
      openRegistry(registry.databaseUrl, {}),
      openRegistry(registry.databaseUrl, {}),
    ]);
    for (const twin of twins) {
      const headers = { authorization: `Bearer ${registry.adminToken}` };
      expect((await twin.send('GET', '/api/v1/clients', { headers })).status).toBe(200);
      expect(await statusWith(twin.adminToken)).toBe(200);
      await twin.close();
    }
    const keys = await registry.dataSource.query<unknown[]>('SELECT 1 FROM signing_keys');
    expect(keys).toHaveLength(1);
  });

  it('can change their algorithm: new tokens are ES256, the old ones stay good', async () => {
    const changed = await openRegistry(registry.databaseUrl, { SLUICE_SIGNING_ALGORITHM: 'ES256' });
    expect(decodeProtectedHeader(changed.adminToken).alg).toBe('ES256');
    const headers = { authorization: `Bearer ${registry.adminToken}` };
    expect((await changed.send('GET', '/api/v1/clients', { headers })).status).toBe(200);
    const jwks = Jwks.parse(await (await changed.send('GET', '/.well-known/jwks.json')).json());
    expect(jwks.keys.map((key) => key.alg).toSorted()).toEqual(['ES256', 'RS256']);
    const verify = tokenVerifier(jwks, { issuer: 'sluice', audience: 'sluice' });
    await expect(verify(changed.adminToken)).resolves.toBeDefined();
    await changed.close();
  });
});
