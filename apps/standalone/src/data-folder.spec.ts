import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataFolder, readJson, writePrivateJson } from './data-folder.js';
import { loadSecrets, rememberShown } from './secrets.js';

const scratch = (): string => mkdtempSync(join(tmpdir(), 'sluice-data-'));
const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('openDataFolder', () => {
  it('makes the folder and holds it', () => {
    const wanted = join(scratch(), 'deep', 'data');
    expect(openDataFolder(wanted)).toEqual({ path: wanted, abandoned: false });
    expect(() => openDataFolder(wanted)).toThrow(`in use by another Sluice (process ${process.pid})`);
  });

  it.each([
    ['a dead process', JSON.stringify({ pid: 2 ** 22 + 1, started: '1' })],
    ['another process under the same number', JSON.stringify({ pid: process.pid, started: '1' })],
    ['a torn write', '{"pi'],
  ])('takes over the lock of %s', (_, lock) => {
    const folder = scratch();
    writeFileSync(join(folder, 'sluice.lock'), lock);
    expect(openDataFolder(folder).abandoned).toBe(true);
  });

  it('says in one line that the path is a file', () => {
    const path = join(scratch(), 'file');
    writeFileSync(path, '');
    expect(() => openDataFolder(path)).toThrow(
      /is not a folder\. Choose another with SLUICE_DATA_DIR or --data-dir\.$/,
    );
  });
});

describe('secrets', () => {
  it('are generated once, private, and kept', () => {
    const folder = scratch();
    const first = loadSecrets(folder);
    expect(loadSecrets(folder)).toEqual(first);
    expect(modeOf(join(folder, 'secrets.json'))).toBe(0o600);
    expect(loadSecrets(scratch()).admin_client_secret).not.toBe(first.admin_client_secret);
  });

  it('remember that the credential was shown', () => {
    const folder = scratch();
    loadSecrets(folder);
    rememberShown(folder);
    expect(loadSecrets(folder).admin_shown).toBe(true);
  });

  it('refuse a damaged file in one line', () => {
    const folder = scratch();
    writeFileSync(join(folder, 'secrets.json'), '{}');
    expect(() => loadSecrets(folder)).toThrow(/^[^\n]+secrets\.json is damaged: [^\n]+$/);
  });
});

it('replaces a file whole and keeps it private', () => {
  const folder = scratch();
  const path = join(folder, 'x.json');
  writeFileSync(path, 'old', { mode: 0o644 });
  writePrivateJson(path, { a: 1 });
  expect(modeOf(path)).toBe(0o600);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ a: 1 });
  expect(readJson(join(folder, 'none.json'))).toBeUndefined();
  mkdirSync(join(folder, 'dir.json'));
  expect(() => readJson(join(folder, 'dir.json'))).toThrow('cannot be read');
});
