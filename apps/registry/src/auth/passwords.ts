/** Passwords of people: argon2id hashes that carry their own parameters. */
import { hash, verify } from '@node-rs/argon2';
import { randomBytes } from 'node:crypto';

/** OWASP's smallest recommended set for argon2id, which is what the library makes; about 30 ms. */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** The same characters may be typed in more than one form (NIST SP 800-63B §5.1.1.2). */
const normal = (password: string): string => password.normalize('NFKC');

export const hashPassword = (password: string): Promise<string> => hash(normal(password), cost);

/** Takes the same time for a wrong password and, with `stored` null, for a person who does not exist or has none. */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const isRight = await verify(stored ?? (await decoyHash()), normal(password));
  return isRight && stored !== null;
}

let decoy: Promise<string> | undefined;
const decoyHash = (): Promise<string> => (decoy ??= hashPassword(randomBytes(32).toString('base64url')));
