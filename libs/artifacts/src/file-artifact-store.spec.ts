import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { artifactStoreCases } from './artifact-store.case.js';
import { FileArtifactStore } from './file-artifact-store.js';

const folders: string[] = [];

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-artifacts-'));
  folders.push(folder);
  return folder;
}

afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

async function countFiles(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}

describe('FileArtifactStore', () => {
  artifactStoreCases(async () => {
    const root = await emptyFolder();
    return {
      store: await FileArtifactStore.create(root),
      inventory: async () => ({
        stored: await countFiles(join(root, 'sha256')),
        unfinished: await countFiles(join(root, 'tmp')),
      }),
    };
  });

  it(
    'leaves nothing of uploads that are refused while their files are being made',
    { timeout: 60_000 },
    async () => {
      const root = await emptyFolder();
      const store = await FileArtifactStore.create(root);
      const tooLarge = (): Promise<unknown> => store.write(Readable.from(['too large']), { maxBytes: 1 });
      for (let round = 0; round < 1_500; round++) {
        const two = await Promise.allSettled([tooLarge(), tooLarge()]);
        expect(two.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      }
      expect(await readdir(join(root, 'tmp'))).toEqual([]);
    },
  );

  it('sweeps the temporary files of dead processes at start, not those still being written', async () => {
    const root = await emptyFolder();
    await FileArtifactStore.create(root);
    const twoHoursAgo = new Date(Date.now() - 2 * 60 * 60 * 1_000);
    await writeFile(join(root, 'tmp', 'dead'), 'left behind');
    await utimes(join(root, 'tmp', 'dead'), twoHoursAgo, twoHoursAgo);
    await writeFile(join(root, 'tmp', 'alive'), 'still arriving');
    await FileArtifactStore.create(root);
    expect(await readdir(join(root, 'tmp'))).toEqual(['alive']);
  });

  it('notices rotten bytes, and another upload of the right ones heals them', async () => {
    const root = await emptyFolder();
    const store = await FileArtifactStore.create(root);
    const bytes = Buffer.from('the right bytes');
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await store.write(Readable.from([bytes]), { maxBytes: 100 });
    await writeFile(join(root, 'sha256', sha256.slice(0, 2), sha256.slice(2, 4), sha256), 'the wrong bytes');
    expect(await store.verify(sha256)).toBe(false);
    await store.write(Readable.from([bytes]), { maxBytes: 100 });
    expect(await store.verify(sha256)).toBe(true);
    expect(await buffer(await store.open(sha256))).toEqual(bytes);
  });
});
