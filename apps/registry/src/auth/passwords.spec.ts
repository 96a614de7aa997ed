import { describe, expect, it } from 'vitest';
import { hashPassword, verifyPassword } from './passwords.js';

describe('passwords', () => {
  it('are kept as argon2id with its parameters, differently each time', async () => {
    const hashes = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')]);
    expect(hashes[0]).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(hashes[0]).not.toBe(hashes[1]);
  });

  it('match themselves alone', async () => {
    const stored = await hashPassword('correct horse');
    expect(await verifyPassword('correct horse', stored)).toBe(true);
    for (const wrong of ['', 'correct hors', 'correct horse ', 'Correct horse'])
      expect(await verifyPassword(wrong, stored)).toBe(false);
  });

  it('match in any form in which the same characters can be typed', async () => {
    const stored = await hashPassword('caf\u00e9 au lait');
    expect(await verifyPassword('cafe\u0301 au lait', stored)).toBe(true);
  });

  it('never match where none is set', async () => {
    expect(await verifyPassword('', null)).toBe(false);
  });
});
