import { describe, expect, it } from 'vitest';
import { hashSecret, newSecret, sameSecret, verifySecret } from './secrets.js';

describe('client secrets', () => {
  it('are recognised by their hash, and no other is', async () => {
    const secret = newSecret();
    const hash = await hashSecret(secret);
    expect(await verifySecret(secret, hash)).toBe(true);
    expect(await verifySecret(`${secret}x`, hash)).toBe(false);
    expect(await verifySecret('', hash)).toBe(false);
  });

  it('are wrong for a client that does not exist', async () => {
    expect(await verifySecret('anything', undefined)).toBe(false);
  });

  it('differ, and so do the hashes of one secret', async () => {
    expect(newSecret()).not.toBe(newSecret());
    expect(await hashSecret('same')).not.toBe(await hashSecret('same'));
  });

  it('carry the cost they were made with, so that it can be raised', async () => {
    expect(await hashSecret('x')).toMatch(/^scrypt\$16384\$8\$1\$[\w-]+\$[\w-]+$/);
    expect(await verifySecret('x', `scrypt$2$1$1$c2FsdA$${'A'.repeat(43)}`)).toBe(false);
  });

  it('never match a damaged hash', async () => {
    for (const hash of ['', 'scrypt', 'scrypt$2$1$1$c2FsdA$'])
      await expect(verifySecret('', hash)).rejects.toThrow('damaged');
  });
});

describe('sameSecret', () => {
  it.each([
    ['abc', 'abc', true],
    ['abc', 'abd', false],
    ['abc', 'abcd', false],
    ['', 'a', false],
    ['ä', 'ä', true],
  ])('%j and %j: %s', (given, expected, result) => {
    expect(sameSecret(given, expected)).toBe(result);
  });
});
