/** An outside issuer: a real HTTP server with discovery and keys, which can go away, change its keys and sign anything. */
import { SignJWT } from 'jose';
import { generateKeyPairSync } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Algorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA';

export interface IssuerKey {
  readonly kid: string;
  readonly alg: Algorithm;
  readonly privateKey: KeyObject;
  readonly jwk: JsonWebKey;
}

export function makeKey(kid: string, alg: Algorithm): IssuerKey {
  const pair =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : alg === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
  return { kid, alg, privateKey: pair.privateKey, jwk };
}

export interface OutsideIssuer {
  readonly url: string;
  /** What it publishes; change it at will. */
  keys: IssuerKey[];
  /** What `issuer` says in its discovery document. */
  claimsToBe: string;
  /** Whether it answers 503 to everything. */
  down: boolean;
  /** How often its keys were read. */
  readonly reads: () => number;
  sign(key: IssuerKey, claims?: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

export async function startOutsideIssuer(audience: string): Promise<OutsideIssuer> {
  let reads = 0;
  const server = createServer((request, response) => {
    const isKeys = request.url === '/keys';
    if (isKeys) reads += 1;
    const body = isKeys
      ? { keys: issuer.keys.map(({ jwk }) => jwk) }
      : { issuer: issuer.claimsToBe, jwks_uri: `${url}/keys` };
    const isKnown = isKeys || request.url === '/.well-known/openid-configuration';
    response.writeHead(issuer.down ? 503 : isKnown ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer: OutsideIssuer = {
    url,
    keys: [],
    claimsToBe: url,
    down: false,
    reads: () => reads,
    sign: ({ kid, alg, privateKey }, claims = {}) => {
      const nowS = Math.floor(Date.now() / 1_000);
      const usual = { iss: url, aud: audience, sub: 'job-7', iat: nowS, exp: nowS + 600 };
      return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg, kid }).sign(privateKey);
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return issuer;
}
