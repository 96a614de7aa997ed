/** The tokens that must not pass; the same verifier stands in the registry, the gateway and the node. */
import { createHmac, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Jwk } from '#contracts/clients';
import { describe, expect, it } from 'vitest';
import { bearerToken, tokenVerifier } from './tokens.js';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = (key: KeyObject, kid: string, alg: Jwk['alg']): Jwk =>
  ({ ...key.export({ format: 'jwk' }), kid, alg, use: 'sig' }) as Jwk;
const jwks = { keys: [jwk(rsa.publicKey, 'r1', 'RS256'), jwk(ec.publicKey, 'e1', 'ES256')] };
const verify = tokenVerifier(jwks, { issuer: 'sluice', audience: 'sluice' });

interface Changes {
  readonly key?: KeyObject;
  readonly alg?: string;
  readonly kid?: string;
  readonly issuer?: string;
  readonly audience?: string;
  readonly expiresInS?: number | null;
  readonly notBeforeS?: number;
  readonly subject?: string | null;
}

async function sign(changes: Changes = {}): Promise<string> {
  const nowS = Math.floor(Date.now() / 1_000);
  const jwt = new SignJWT({ scope: 'infer models:read', client_id: 'me' })
    .setProtectedHeader({ alg: changes.alg ?? 'RS256', kid: changes.kid ?? 'r1' })
    .setIssuedAt(nowS)
    .setIssuer(changes.issuer ?? 'sluice')
    .setAudience(changes.audience ?? 'sluice');
  if (changes.subject !== null) jwt.setSubject(changes.subject ?? 'client:me');
  if (changes.expiresInS !== null) jwt.setExpirationTime(nowS + (changes.expiresInS ?? 900));
  if (changes.notBeforeS !== undefined) jwt.setNotBefore(nowS + changes.notBeforeS);
  return jwt.sign(changes.key ?? rsa.privateKey);
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims = { iss: 'sluice', aud: 'sluice', sub: 'client:me', scope: 'admin', iat: 0, exp: 9_999_999_999 };

describe('tokenVerifier', () => {
  it('takes RS256 and ES256 tokens of its own keys', async () => {
    const verified = await verify(await sign());
    expect(verified).toMatchObject({
      subject: 'client:me',
      clientId: 'me',
      scopes: ['infer', 'models:read'],
    });
    await expect(verify(await sign({ alg: 'ES256', kid: 'e1', key: ec.privateKey }))).resolves.toBeDefined();
  });

  it.each<[string, Changes]>([
    ['signed by a stranger', { key: stranger.privateKey }],
    ['naming an unknown key', { kid: 'r9' }],
    ['naming the key of another algorithm', { kid: 'e1' }],
    ['from another issuer', { issuer: 'elsewhere' }],
    ['for another audience', { audience: 'elsewhere' }],
    ['expired', { expiresInS: -60 }],
    ['without an end', { expiresInS: null }],
    ['not valid yet', { notBeforeS: 600 }],
    ['without a subject', { subject: null }],
    ['of an algorithm off the list', { alg: 'PS256' }],
  ])('refuses a token %s', async (_, changes) => {
    await expect(verify(await sign(changes))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('refuses alg none, and HS256 made with the public key as its secret', async () => {
    const none = `${encode({ alg: 'none' })}.${encode(claims)}.`;
    await expect(verify(none)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    const signed = `${encode({ alg: 'HS256', kid: 'r1' })}.${encode(claims)}`;
    const pem = rsa.publicKey.export({ format: 'pem', type: 'spki' });
    const confused = `${signed}.${createHmac('sha256', pem).update(signed).digest('base64url')}`;
    await expect(verify(confused)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it.each(['', '.', '..', 'a.b.c', 'x'.repeat(100_000), '{}', '🦊'])(
    'refuses what is no token',
    async (text) => {
      await expect(verify(text)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    },
  );

  it('refuses a token whose payload was changed after signing', async () => {
    const [head, , signature] = (await sign()).split('.');
    await expect(verify(`${head}.${encode(claims)}.${signature}`)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
  });
});

describe('bearerToken', () => {
  it('takes the scheme in any case, and nothing that is not one token', () => {
    expect(bearerToken('Bearer abc.def')).toBe('abc.def');
    expect(bearerToken('bearer abc')).toBe('abc');
    for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic abc', 'Bearer a b', 'Bearer a,b'])
      expect(bearerToken(header)).toBeUndefined();
  });
});
