import { once } from 'node:events';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, utimes, writeFile, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ArtifactCache, CorruptArtifactError } from './artifact-cache.js';
import type { ArtifactFile, OpenArtifact } from './artifact-cache.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-cache-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const never = new AbortController().signal;
const fileOf = (bytes: Buffer): ArtifactFile => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  size_bytes: bytes.length,
});

/** A source of artifacts that can break off, lie and ignore ranges. */
function sourceOf(...contents: readonly Buffer[]) {
  const byDigest = new Map(contents.map((bytes) => [fileOf(bytes).sha256, bytes]));
  const control = {
    offsets: [] as number[],
    breakAfter: Infinity,
    ignoresRange: false,
    /** Sends a little and then nothing, until the download is given up. */
    stalls: false,
    lie: undefined as Buffer | undefined,
  };
  const open: OpenArtifact = (sha256, offset, signal) => {
    control.offsets.push(offset);
    const bytes = control.lie ?? byDigest.get(sha256) ?? Buffer.alloc(0);
    const start = control.ignoresRange ? 0 : offset;
    async function* body(): AsyncGenerator<Buffer> {
      for (let at = start; at < bytes.length; at += 1_000) {
        await new Promise((resolve) => setImmediate(resolve));
        if (control.stalls && at > start) await once(signal, 'abort');
        signal.throwIfAborted();
        if (at - start >= control.breakAfter) throw new Error('connection lost');
        yield bytes.subarray(at, at + 1_000);
      }
    }
    return Promise.resolve({ start, body: body() });
  };
  return { open, control };
}

const cacheOf = (
  openArtifact: OpenArtifact,
  maxBytes = 1e9,
  inUse: ReadonlySet<string> = new Set(),
): ArtifactCache => new ArtifactCache({ folder, maxBytes, openArtifact, inUse: () => inUse });

describe('ArtifactCache', () => {
  it('downloads once for all who ask, and finds it again after a restart', async () => {
    const bytes = randomBytes(10_500);
    const { open, control } = sourceOf(bytes);
    const cache = cacheOf(open);
    const paths = await Promise.all([1, 2, 3].map(() => cache.fetch(fileOf(bytes), never)));
    expect(await readFile(paths[0] ?? '')).toEqual(bytes);
    await cacheOf(open).fetch(fileOf(bytes), never);
    expect(control.offsets).toEqual([0]);
  });

  it.each([false, true])('continues a broken download (range ignored: %s)', async (ignoresRange) => {
    const bytes = randomBytes(10_500);
    const { open, control } = sourceOf(bytes);
    control.breakAfter = 4_000;
    await expect(cacheOf(open).fetch(fileOf(bytes), never)).rejects.toThrow('connection lost');
    control.breakAfter = Infinity;
    control.ignoresRange = ignoresRange;
    const path = await cacheOf(open).fetch(fileOf(bytes), never);
    expect(control.offsets).toEqual([0, 4_000]);
    expect(await readFile(path)).toEqual(bytes);
  });

  it('keeps nothing of bytes with another digest, also when only the resumed part was bad', async () => {
    const bytes = randomBytes(2_000);
    const { open, control } = sourceOf(bytes);
    const file = fileOf(bytes);
    await writeFile(join(folder, `${file.sha256}.part`), 'x'.repeat(500));
    await expect(cacheOf(open).fetch(file, never)).rejects.toThrow(CorruptArtifactError);
    control.lie = randomBytes(2_000);
    await expect(cacheOf(open).fetch(file, never)).rejects.toThrow(CorruptArtifactError);
    expect(await readdir(folder)).toEqual([]);
  });

  it('ends a download when nobody waits any more, and begins anew for the next', async () => {
    const bytes = randomBytes(50_000);
    const { open, control } = sourceOf(bytes);
    control.stalls = true;
    const cache = cacheOf(open);
    const [first, second] = [new AbortController(), new AbortController()];
    const given = [cache.fetch(fileOf(bytes), first.signal), cache.fetch(fileOf(bytes), second.signal)];
    await vi.waitFor(() => expect(control.offsets).toEqual([0]));
    first.abort();
    await expect(given[0]).rejects.toThrow();
    second.abort();
    await expect(given[1]).rejects.toThrow();
    control.stalls = false;
    expect(await readFile(await cache.fetch(fileOf(bytes), never))).toEqual(bytes);
  });

  it('evicts the longest unused that nobody uses', async () => {
    const contents = [1, 2, 3, 4].map(() => randomBytes(1_000));
    const [a, b, c, d] = contents.map(fileOf) as [ArtifactFile, ArtifactFile, ArtifactFile, ArtifactFile];
    const cache = cacheOf(sourceOf(...contents).open, 3_000, new Set([a.sha256]));
    for (const [index, file] of [a, b, c].entries()) {
      const path = await cache.fetch(file, never);
      await utimes(path, 1_000 + index, 1_000 + index);
    }
    await cache.fetch(b, never);
    await cache.fetch(d, never);
    expect((await readdir(folder)).sort()).toEqual([a.sha256, b.sha256, d.sha256].sort());
  });

  it('notices bytes that changed on disk', async () => {
    const bytes = randomBytes(1_000);
    const cache = cacheOf(sourceOf(bytes).open);
    const path = await cache.fetch(fileOf(bytes), never);
    expect(await cache.verify(fileOf(bytes).sha256)).toBe(true);
    await chmod(path, 0o644);
    await writeFile(path, randomBytes(1_000));
    expect(await cache.verify(fileOf(bytes).sha256)).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });
});
