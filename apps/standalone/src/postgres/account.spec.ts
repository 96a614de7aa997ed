import { describe, expect, it } from 'vitest';
import { ownerForRoot, runAs } from './account.js';

const root = { uid: 0, gid: 0 };
const alice = { uid: 1000, gid: 1000 };
const bob = { uid: 1001, gid: 1001 };
const nobody = { uid: 65_534, gid: 65_534 };
const everyoneHasName = () => true;

describe('ownerForRoot', () => {
  it('prefers the owner of the database, then of the data folder, then nobody', () => {
    expect(ownerForRoot(alice, bob, everyoneHasName)).toEqual(alice);
    expect(ownerForRoot(undefined, bob, everyoneHasName)).toEqual(bob);
    expect(ownerForRoot(root, bob, everyoneHasName)).toEqual(bob);
    expect(ownerForRoot(undefined, root, everyoneHasName)).toEqual(nobody);
    expect(ownerForRoot(root, root, everyoneHasName)).toEqual(nobody);
  });

  it('takes nobody where the owner has no name, which initdb needs', () => {
    expect(ownerForRoot(undefined, alice, () => false)).toEqual(nobody);
  });
});

describe('runAs', () => {
  it('changes nothing for a normal user', () => {
    expect(runAs({ kind: 'self' }, '/bin/x', ['a'])).toEqual({ file: '/bin/x', args: ['a'], options: {} });
  });

  it('sets the user, and hands over one capability only where it is needed', () => {
    expect(runAs({ kind: 'other', ...alice }, '/bin/x', ['a']).options).toEqual(alice);
    const { file, args } = runAs({ kind: 'other-with-access', ...alice }, '/bin/x', ['a']);
    expect([file, ...args.slice(-3)]).toEqual(['setpriv', '--', '/bin/x', 'a']);
    expect(args).toContain('--reuid=1000');
    expect(args.filter((arg) => arg.includes('-caps='))).toEqual([
      '--inh-caps=+dac_override',
      '--ambient-caps=+dac_override',
    ]);
  });
});
