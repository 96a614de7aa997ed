/** Secrets: made with 256 random bits. Those of clients are stored as scrypt hashes that carry their own parameters. */
import { apiTokenPrefix } from '#contracts/api-tokens';
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { ScryptOptions } from 'node:crypto';

const keyBytes = 32;
/** About 30 ms and 16 MiB. Secrets are random, so this guards the operator's own (bootstrap) secrets most of all. */
const cost = { N: 16_384, r: 8, p: 1 } as const;

export const newSecret = (): string => `slc_${randomBytes(32).toString('base64url')}`;

export const newApiToken = (): string => `${apiTokenPrefix}${randomBytes(32).toString('base64url')}`;
export const newRefreshToken = (): string => `slr_${randomBytes(32).toString('base64url')}`;

/** For tokens of 256 random bits: nobody can guess what has this SHA-256. */
export const digestOf = (token: string): string => createHash('sha256').update(token).digest('hex');

/** `scrypt$N$r$p$salt$hash`, salt and hash in base64url. */
export async function hashSecret(secret: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(secret, salt, keyBytes, cost);
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/** Takes the same time for a wrong secret and, with `stored` undefined, for a client that does not exist. */
export async function verifySecret(secret: string, stored: string | undefined): Promise<boolean> {
  const [, n, r, p, salt = '', hash = ''] = (stored ?? (await decoyHash())).split('$');
  const expected = Buffer.from(hash, 'base64url');
  // Two empty hashes would be equal.
  if (expected.length !== keyBytes) throw new Error('A stored secret hash is damaged. Rotate the secret.');
  const options = { N: Number(n), r: Number(r), p: Number(p) };
  const actual = await derive(secret, Buffer.from(salt, 'base64url'), expected.length, options);
  return timingSafeEqual(actual, expected) && stored !== undefined;
}

/** Compares two secrets of any length without telling by the time how much of them is equal. */
export function sameSecret(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  const isEqual = timingSafeEqual(a.length === b.length ? a : b, b);
  return isEqual && a.length === b.length;
}

let decoy: Promise<string> | undefined;
const decoyHash = (): Promise<string> => (decoy ??= hashSecret(newSecret()));

function derive(secret: string, salt: Buffer, bytes: number, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, bytes, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
