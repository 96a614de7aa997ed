/** What every ArtifactStore must do. A store's own spec calls `artifactStoreCases` with a way to make an empty one. */
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ArtifactStore } from './artifact-store.js';

export interface EmptyStore {
  readonly store: ArtifactStore;
  /** Objects under a digest, and bits of unfinished ones, that the storage really holds. */
  readonly inventory: () => Promise<{ readonly stored: number; readonly unfinished: number }>;
}

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const streamOf = (...chunks: Uint8Array[]): Readable => Readable.from(chunks, { objectMode: false });
const unlimited = { maxBytes: 1 << 30 };

/** Cuts `bytes` at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const edges = [
    0,
    ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b),
    bytes.length,
  ];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

type MakeStore = () => Promise<EmptyStore>;

/** @param makeStore gives each case a store of its own */
export function artifactStoreCases(makeStore: MakeStore): void {
  describe('write', () => storingCases(makeStore));
  describe('write, when it fails,', () => refusingCases(makeStore));
  describe('open', () => readingCases(makeStore));
}

function storingCases(makeStore: MakeStore): void {
  it('gives the digest and the bytes back, however the body is cut into chunks', async () => {
    const { store } = await makeStore();
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5_000 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        async (bytes, places) => {
          const stored = await store.write(streamOf(...cut(bytes, places)), unlimited);
          expect(stored).toEqual({ sha256: sha256Of(bytes), sizeBytes: bytes.length });
          expect(await buffer(await store.open(stored.sha256))).toEqual(Buffer.from(bytes));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('stores the same bytes once, also when they arrive at the same time', async () => {
    const { store, inventory } = await makeStore();
    const bytes = randomBytes(300_000);
    const stored = await Promise.all(
      Array.from({ length: 8 }, () => store.write(streamOf(bytes), unlimited)),
    );
    expect(new Set(stored.map((artifact) => artifact.sha256))).toEqual(new Set([sha256Of(bytes)]));
    expect(await inventory()).toEqual({ stored: 1, unfinished: 0 });
    expect(await store.verify(sha256Of(bytes))).toBe(true);
  });

  it('knows what it has and how large it is', async () => {
    const { store } = await makeStore();
    const { sha256 } = await store.write(streamOf(randomBytes(12_345)), unlimited);
    expect([await store.has(sha256), await store.size(sha256)]).toEqual([true, 12_345]);
    const missing = sha256Of(randomBytes(4));
    expect([await store.has(missing), await store.size(missing)]).toEqual([false, undefined]);
  });
}

function refusingCases(makeStore: MakeStore): void {
  it('takes exactly maxBytes and refuses one more, leaving nothing', async () => {
    const { store, inventory } = await makeStore();
    await store.write(streamOf(randomBytes(1_000)), { maxBytes: 1_000 });
    const tooLarge = store.write(streamOf(randomBytes(1_000), randomBytes(1)), { maxBytes: 1_000 });
    await expect(tooLarge).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    expect(await inventory()).toEqual({ stored: 1, unfinished: 0 });
  });

  it('refuses bytes that do not have the announced digest, leaving nothing', async () => {
    const { store, inventory } = await makeStore();
    const bytes = randomBytes(5_000);
    const announced = { ...unlimited, sha256: sha256Of(randomBytes(8)) };
    await expect(store.write(streamOf(bytes), announced)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    expect(await store.has(sha256Of(bytes))).toBe(false);
    expect(await inventory()).toEqual({ stored: 0, unfinished: 0 });
    await expect(
      store.write(streamOf(bytes), { ...unlimited, sha256: sha256Of(bytes) }),
    ).resolves.toBeDefined();
  });

  it('leaves nothing when the source fails or is cut off in the middle', async () => {
    const { store, inventory } = await makeStore();
    const failing = Readable.from(
      (function* () {
        yield randomBytes(100_000);
        throw new Error('the line went dead');
      })(),
    );
    await expect(store.write(failing, unlimited)).rejects.toThrow('the line went dead');
    const cutOff = new Readable({
      read() {
        this.push(randomBytes(100_000));
        this.destroy();
      },
    });
    await expect(store.write(cutOff, unlimited)).rejects.toThrow();
    expect(await inventory()).toEqual({ stored: 0, unfinished: 0 });
  });
}

function readingCases(makeStore: MakeStore): void {
  it('reads any range, both ends included', async () => {
    const { store } = await makeStore();
    const bytes = randomBytes(600_000);
    const { sha256 } = await store.write(streamOf(bytes), unlimited);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(bytes.length - 1), async (one, other) => {
        const range = { start: Math.min(one, other), end: Math.max(one, other) };
        const read = await buffer(await store.open(sha256, range));
        expect(read.equals(bytes.subarray(range.start, range.end + 1))).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('says so when there is no such artifact, or no such digest', async () => {
    const { store } = await makeStore();
    for (const missing of [sha256Of(randomBytes(4)), '', '../../../../etc/passwd', 'A'.repeat(64)])
      await expect(store.open(missing)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' });
  });
}
