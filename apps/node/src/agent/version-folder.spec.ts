import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fillFolder, pathInside } from './version-folder.js';

describe('a version’s folder', () => {
  it('shows the cached files under their own names without copying them', async () => {
    const root = await mkdtemp(join(tmpdir(), 'sluice-folder-'));
    const source = join(root, 'artifact');
    await writeFile(source, 'weights');
    const links = [{ path: 'data/weights.bin', source }];
    await fillFolder(join(root, 'version'), links);
    await fillFolder(join(root, 'version'), links);
    const target = join(root, 'version', 'data', 'weights.bin');
    expect(await readFile(target, 'utf8')).toBe('weights');
    expect((await stat(target)).ino).toBe((await stat(source)).ino);
    await rm(root, { recursive: true });
  });

  it.each(['../x', 'a/../../x', '..'])('lets no path out: %s', (path) => {
    expect(() => pathInside('/data/versions/1', path)).toThrow(/leaves/);
  });
});
