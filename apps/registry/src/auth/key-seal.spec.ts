import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isSealed, open, seal } from './key-seal.js';

const masterKey = 'a master key of thirty-two chars';

it('gives back what was sealed, and no two sealings look alike', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (plain, name) => {
      const sealed = seal(plain, name, masterKey);
      expect(isSealed(sealed)).toBe(true);
      expect(open(sealed, name, masterKey)).toBe(plain);
      expect(seal(plain, name, masterKey)).not.toBe(sealed);
    }),
  );
});

it('refuses another master key, another name and a changed text', () => {
  const sealed = seal('private', 'kid-1', masterKey);
  const [scheme, iv, tag = '', text = ''] = sealed.split('$');
  const flipped = (part: string): string => (part.startsWith('A') ? 'B' : 'A') + part.slice(1);
  expect(() => open(sealed, 'kid-1', `${masterKey}!`)).toThrow('SLUICE_MASTER_KEY');
  expect(() => open(sealed, 'kid-2', masterKey)).toThrow('SLUICE_MASTER_KEY');
  expect(() => open([scheme, iv, tag, flipped(text)].join('$'), 'kid-1', masterKey)).toThrow();
  expect(() => open([scheme, iv, flipped(tag), text].join('$'), 'kid-1', masterKey)).toThrow();
  expect(() => open([scheme, iv, tag.slice(0, 6), text].join('$'), 'kid-1', masterKey)).toThrow();
});
