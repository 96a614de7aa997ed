/** Tokens that nobody must accept, made from one that everybody accepts: its claims, its key id and its RSA private key. */
import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export interface TokenParts {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly claims: Readonly<Record<string, unknown>>;
}

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const signed = (key: KeyObject, header: unknown, payload: unknown): string => {
  const text = `${encode(header)}.${encode(payload)}`;
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
};

/** The token that all others are made from: this one is good. */
export const goodToken = ({ kid, privateKey, claims }: TokenParts): string =>
  signed(privateKey, { alg: 'RS256', kid }, claims);

/** Each with the name of what is wrong with it. */
export function hostileTokens(parts: TokenParts): [name: string, token: string][] {
  return [...wrongSignatures(parts), ...wrongHeaders(parts), ...wrongClaims(parts), ...wrongText(parts)];
}

function wrongSignatures({ kid, privateKey, claims }: TokenParts): [string, string][] {
  const payload = encode(claims);
  const publicPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
  const hmacText = `${encode({ alg: 'HS256', kid })}.${payload}`;
  const curve = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;
  const strangerRsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
  const rsHead = `${encode({ alg: 'RS256', kid })}.${payload}`;
  return [
    ['alg none', `${encode({ alg: 'none', kid })}.${payload}.`],
    ['alg None', `${encode({ alg: 'None', kid })}.${payload}.`],
    ['no signature', `${rsHead}.`],
    [
      'the public key as HMAC secret',
      `${hmacText}.${createHmac('sha256', publicPem).update(hmacText).digest('base64url')}`,
    ],
    ['PS256 with the RS256 key', signed(privateKey, { alg: 'PS256', kid }, claims)],
    ['another RSA key under the same kid', signed(strangerRsa, { alg: 'RS256', kid }, claims)],
    ['P-256 under an RSA kid', signed(curve('P-256'), { alg: 'ES256', kid }, claims)],
    ['secp256k1', signed(curve('secp256k1'), { alg: 'ES256', kid }, claims)],
    ['an all-zero signature', `${rsHead}.${Buffer.alloc(256).toString('base64url')}`],
    [
      'a zero ES256 signature',
      `${encode({ alg: 'ES256', kid })}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
    ],
  ];
}

function wrongHeaders({ kid, privateKey, claims }: TokenParts): [string, string][] {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' });
  return [
    ['an unknown kid', signed(privateKey, { alg: 'RS256', kid: 'nobody' }, claims)],
    ['a critical extension', signed(privateKey, { alg: 'RS256', kid, crit: ['x'], x: 1 }, claims)],
    [
      'a key of its own',
      signed(generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey, { alg: 'RS256', jwk }, claims),
    ],
    ['a header that is no object', signed(privateKey, '"RS256"', claims)],
  ];
}

function wrongClaims({ kid, privateKey, claims }: TokenParts): [string, string][] {
  const nowS = Math.floor(Date.now() / 1_000);
  const changed = (change: Record<string, unknown>): string =>
    signed(privateKey, { alg: 'RS256', kid }, { ...claims, ...change });
  return [
    ['expired', changed({ exp: nowS - 60 })],
    ['no expiry', changed({ exp: undefined })],
    ['an expiry in words', changed({ exp: 'tomorrow' })],
    ['not yet valid', changed({ nbf: nowS + 600 })],
    ['another audience', changed({ aud: 'else' })],
    ['no audience', changed({ aud: undefined })],
    ['another issuer', changed({ iss: 'else' })],
    ['no subject', changed({ sub: undefined })],
  ];
}

function wrongText(parts: TokenParts): [string, string][] {
  const good = goodToken(parts);
  const [header = '', payload = '', signature = ''] = good.split('.');
  return [
    ['two parts', `${header}.${payload}`],
    ['four parts', `${good}.AAAA`],
    ['a changed payload', `${header}.${encode({ ...parts.claims, scope: 'admin node' })}.${signature}`],
    ['a shortened signature', `${header}.${payload}.${signature.slice(0, -8)}`],
    ['a huge token', goodToken({ ...parts, claims: { ...parts.claims, pad: 'x'.repeat(9_000) } })],
  ];
}
