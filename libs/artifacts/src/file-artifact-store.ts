/**
 * ArtifactStore in a folder: `sha256/ab/cd/<digest>`, and `tmp/` in the same file system for what is still arriving.
 * A file under `sha256/` is complete, on disk and has the digest that its name says; nothing ever writes into one.
 */
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SluiceError } from '#platform/errors';
import { v7 as uuidv7 } from 'uuid';
import type { ArtifactStore, ByteRange, Claim, StoredArtifact, WriteOptions } from './artifact-store.js';
import { digestStream } from './digest-stream.js';
import { isMissing, syncFolder, writeNewFile } from './durable-files.js';

/** A temporary file that nobody has written to for so long belongs to a process that died. */
const staleAfterMs = 60 * 60 * 1_000;

export interface FileStoreOptions {
  readonly claim?: Claim;
  readonly nowMs?: number;
}

export class FileArtifactStore implements ArtifactStore {
  private constructor(
    private readonly root: string,
    private readonly claim: Claim | undefined,
  ) {}

  /** Opens the store in `root`, creates it when needed and sweeps what a dead process left behind. */
  static async create(
    root: string,
    { claim, nowMs = Date.now() }: FileStoreOptions = {},
  ): Promise<FileArtifactStore> {
    const store = new FileArtifactStore(root, claim);
    await mkdir(store.#temporaryFolder, { recursive: true });
    await mkdir(join(root, 'sha256'), { recursive: true });
    await store.sweep(nowMs);
    return store;
  }

  async write(source: Readable, { maxBytes, sha256 }: WriteOptions): Promise<StoredArtifact> {
    const temporary = join(this.#temporaryFolder, uuidv7());
    const digest = digestStream({ maxBytes, sha256 });
    await writeNewFile(temporary, source, digest);
    try {
      await this.claim?.({ sha256: digest.sha256, sizeBytes: digest.sizeBytes });
      await this.#commit(temporary, digest.sha256);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    return { sha256: digest.sha256, sizeBytes: digest.sizeBytes };
  }

  async open(sha256: string, range?: ByteRange): Promise<Readable> {
    const handle = await open(this.#pathOf(sha256), 'r').catch((error: unknown) => {
      if (isMissing(error)) throw notFound(sha256);
      throw error;
    });
    return handle.createReadStream({ ...range, highWaterMark: 256 * 1_024 });
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.size(sha256)) !== undefined;
  }

  async size(sha256: string): Promise<number | undefined> {
    try {
      return (await stat(this.#pathOf(sha256))).size;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async verify(sha256: string): Promise<boolean> {
    const digest = digestStream();
    await pipeline(await this.open(sha256), digest, discard());
    return digest.sha256 === sha256;
  }

  async remove(sha256: string): Promise<void> {
    await rm(this.#pathOf(sha256), { force: true });
  }

  async sweep(nowMs: number): Promise<void> {
    for (const name of await readdir(this.#temporaryFolder)) {
      const path = join(this.#temporaryFolder, name);
      const modifiedMs = await stat(path).then(
        (stats) => stats.mtimeMs,
        (error: unknown) => {
          if (isMissing(error)) return Infinity;
          throw error;
        },
      );
      if (nowMs - modifiedMs > staleAfterMs) await rm(path, { force: true });
    }
  }

  /** A rename also replaces a file whose bytes have rotted; readers of the old one keep reading it. */
  async #commit(temporary: string, sha256: string): Promise<void> {
    const path = this.#pathOf(sha256);
    const folder = dirname(path);
    await mkdir(folder, { recursive: true });
    await rename(temporary, path);
    // A new folder is durable only when its parent is, whichever of several writers made it.
    for (const made of [folder, dirname(folder), dirname(dirname(folder))]) await syncFolder(made);
  }

  get #temporaryFolder(): string {
    return join(this.root, 'tmp');
  }

  #pathOf(sha256: string): string {
    // The digest becomes a path: whatever is not one must not get that far.
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw notFound(sha256);
    return join(this.root, 'sha256', sha256.slice(0, 2), sha256.slice(2, 4), sha256);
  }
}

const discard = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });
const notFound = (sha256: string): SluiceError =>
  new SluiceError('ARTIFACT_NOT_FOUND', `There is no artifact ${sha256.slice(0, 64)}.`);
