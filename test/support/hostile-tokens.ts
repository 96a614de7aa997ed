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
  return [
    ...wrongSignatures(parts),
    ...wrongKeys(parts),
    ...wrongHeaders(parts),
    ...wrongClaims(parts),
    ...duplicates(parts),
    ...wrongText(parts),
  ];
}

function wrongSignatures({ kid, privateKey, claims }: TokenParts): [string, string][] {
  const payload = encode(claims);
  const publicPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
  const hmacText = `${encode({ alg: 'HS256', kid })}.${payload}`;
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
    ['an all-zero signature', `${rsHead}.${Buffer.alloc(256).toString('base64url')}`],
    [
      'a zero ES256 signature',
      `${encode({ alg: 'ES256', kid })}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
    ],
  ];
}

/** Keys of another kind or curve than the algorithm, or than the kid stands for. */
function wrongKeys({ kid, privateKey, claims }: TokenParts): [string, string][] {
  const curve = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;
  const ed = generateKeyPairSync('ed25519').privateKey;
  const by = (key: KeyObject, alg: string, hash: string | null): string => {
    const text = `${encode({ alg, kid })}.${encode(claims)}`;
    const bytes = sign(hash, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${bytes.toString('base64url')}`;
  };
  return [
    ['P-256 under an RSA kid', by(curve('P-256'), 'ES256', 'sha256')],
    ['P-256 in DER', signed(curve('P-256'), { alg: 'ES256', kid }, claims)],
    ['P-384 as ES256', by(curve('P-384'), 'ES256', 'sha256')],
    ['P-384 as ES384', by(curve('P-384'), 'ES384', 'sha384')],
    ['secp256k1 as ES256', by(curve('secp256k1'), 'ES256', 'sha256')],
    ['secp256k1 as ES256K', by(curve('secp256k1'), 'ES256K', 'sha256')],
    ['Ed25519 under an RSA kid', by(ed, 'EdDSA', null)],
    ['RS512 with the RS256 key', by(privateKey, 'RS512', 'sha512')],
    ['RS256 called EdDSA', by(privateKey, 'EdDSA', 'sha256')],
    ['SHA-1 called RS256', by(privateKey, 'RS256', 'sha1')],
  ];
}

/** One parser takes the first of two members, another one the last. */
function duplicates({ kid, privateKey, claims }: TokenParts): [string, string][] {
  const header = { alg: 'RS256', kid };
  const twice = (object: object, member: string): string =>
    `${JSON.stringify(object).slice(0, -1)},${member}}`;
  return [
    ['a duplicate claim', signed(privateKey, header, twice(claims, '"sub":"client:admin"'))],
    [
      'a duplicate claim in other letters',
      signed(privateKey, header, twice(claims, String.raw`"s\u0075b":"client:admin"`)),
    ],
    ['a duplicate claim deep down', signed(privateKey, header, twice(claims, '"x":{"y":[{"z":1,"z":2}]}'))],
    ['a duplicate alg', signed(privateKey, twice(header, '"alg":"none"'), claims)],
    ['a duplicate kid', signed(privateKey, twice(header, `"kid":"${kid}"`), claims)],
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

function wrongClaims(parts: TokenParts): [string, string][] {
  const { kid, privateKey, claims } = parts;
  const nowS = Math.floor(Date.now() / 1_000);
  const changed = (change: Record<string, unknown>): string =>
    signed(privateKey, { alg: 'RS256', kid }, { ...claims, ...change });
  return [
    ['expired', changed({ exp: nowS - 60 })],
    ['no expiry', changed({ exp: undefined })],
    ['an expiry in words', changed({ exp: 'tomorrow' })],
    ['not yet valid', changed({ nbf: nowS + 600 })],
    ['a beginning in words', changed({ nbf: 'today' })],
    ['an audience list without us', changed({ aud: ['else', 'other'] })],
    ['an issuer list', changed({ iss: [parts.claims['iss']] })],
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
    ['padding', `${good}==`],
    ['padding in the middle', `${header}=.${payload}.${signature}`],
    ['left-over bits', `${good.slice(0, -1)}${nextLetter(good.slice(-1))}`],
    ['five parts, as of an encrypted token', `${good}.AAAA.AAAA`],
    ['an API token that nobody made', `slu_${'A'.repeat(43)}`],
    ['the beginning of an API token', 'slu_'],
    ['two parts', `${header}.${payload}`],
    ['four parts', `${good}.AAAA`],
    ['a changed payload', `${header}.${encode({ ...parts.claims, scope: 'admin node' })}.${signature}`],
    ['a shortened signature', `${header}.${payload}.${signature.slice(0, -8)}`],
    ['a huge token', goodToken({ ...parts, claims: { ...parts.claims, pad: 'x'.repeat(9_000) } })],
  ];
}

/** The next letter of base64url: in the last place of 256 bytes, it differs in bits that mean nothing. */
function nextLetter(letter: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(letter) + 1] ?? '';
}
