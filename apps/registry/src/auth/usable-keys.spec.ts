import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { usableKeys } from './usable-keys.js';

const rsa = (bits: number) =>
  generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' });
const ec = (namedCurve: string) =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' });
const ed = generateKeyPairSync('ed25519');

describe('usableKeys', () => {
  it('keeps public signing keys of the known kinds', () => {
    const keys = [
      { ...rsa(2_048), kid: 'r', use: 'sig', x5c: ['…'] },
      ec('P-256'),
      ed.publicKey.export({ format: 'jwk' }),
    ];
    const kept = usableKeys({ keys }).keys;
    expect(kept.map(({ kty }) => kty)).toEqual(['RSA', 'EC', 'OKP']);
    expect(kept[0]).not.toHaveProperty('x5c');
  });

  it.each<[string, object]>([
    ['a secret', { kty: 'oct', k: 'c2VjcmV0' }],
    ['a short RSA key', rsa(1_024)],
    ['another curve', ec('P-384')],
    ['secp256k1', ec('secp256k1')],
    ['X25519', generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })],
    ['a key for encryption', { ...rsa(2_048), use: 'enc' }],
    ['a point off the curve', { ...ec('P-256'), x: Buffer.alloc(32, 1).toString('base64url') }],
    ['a modulus that is no number', { kty: 'RSA', n: {}, e: 'AQAB' }],
    ['an unknown kind', { kty: 'AKP', pub: 'x' }],
  ])('leaves %s behind', (_, key) => {
    expect(usableKeys({ keys: [key] }).keys).toEqual([]);
  });

  it('keeps no private part', () => {
    const [key] = usableKeys({ keys: [ed.privateKey.export({ format: 'jwk' })] }).keys;
    expect(key).not.toHaveProperty('d');
  });
});
