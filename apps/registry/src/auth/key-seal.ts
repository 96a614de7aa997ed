/**
 * Encryption of private keys and secrets at rest: AES-256-GCM under a key derived from the master key. The name of a key is
 * authenticated with it, so that a sealed text cannot be moved to another row.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const scheme = 'aes-256-gcm';
/** NIST SP 800-38D §8.2.2: random, 96 bits, a new one for each sealing. */
const ivBytes = 12;

export const isSealed = (text: string): boolean => text.startsWith(`${scheme}$`);

/** `aes-256-gcm$iv$tag$ciphertext`, in base64url. */
export function seal(plain: string, name: string, masterKey: string): string {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv(scheme, keyOf(masterKey), iv).setAAD(Buffer.from(name));
  const ciphertext = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  const parts = [iv, cipher.getAuthTag(), ciphertext].map((part) => part.toString('base64url'));
  return [scheme, ...parts].join('$');
}

/** @throws Error when the master key is another one, or the text was changed or belongs to another name */
export function open(sealed: string, name: string, masterKey: string): string {
  const [, iv = '', tag = '', ciphertext = ''] = sealed.split('$');
  try {
    const decipher = createDecipheriv(scheme, keyOf(masterKey), Buffer.from(iv, 'base64url'), {
      authTagLength: 16,
    })
      .setAAD(Buffer.from(name))
      .setAuthTag(Buffer.from(tag, 'base64url'));
    const plain = Buffer.concat([decipher.update(Buffer.from(ciphertext, 'base64url')), decipher.final()]);
    return plain.toString('utf8');
  } catch (cause) {
    throw new Error(`The secret ${name} cannot be decrypted: SLUICE_MASTER_KEY is not the one it had.`, {
      cause,
    });
  }
}

/** As it is stored: sealed when there is a master key, otherwise as it is. */
export const toStored = (plain: string, name: string, masterKey: string | undefined): string =>
  masterKey === undefined ? plain : seal(plain, name, masterKey);

/** @throws Error when it is sealed and the master key is missing or another one */
export function fromStored(text: string, name: string, masterKey: string | undefined): string {
  if (!isSealed(text)) return text;
  if (masterKey === undefined)
    throw new Error(`The secret ${name} is encrypted. Set SLUICE_MASTER_KEY to the key that encrypted it.`);
  return open(text, name, masterKey);
}

/** RFC 5869. The master key is random text, not a password, so it needs no slow hash. */
const keyOf = (masterKey: string): Buffer =>
  Buffer.from(hkdfSync('sha256', masterKey, '', 'sluice signing keys', 32));
