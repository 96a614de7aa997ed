/**
 * Artifacts on this machine by digest. A file named by a digest has been verified and is complete; what is under way
 * has the suffix `.part` and is continued after a break. Concurrent asks for one digest share one download. When room
 * is short, files that no replica uses go, the longest unused first.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { syncFolder } from '#artifacts/durable-files';

export interface ArtifactFile {
  readonly sha256: string;
  readonly size_bytes: number;
}

/** Bytes of an artifact from `offset` on; `start` is where the answer really begins (0 when Range was ignored). */
export interface ArtifactBytes {
  readonly start: number;
  readonly body: AsyncIterable<Uint8Array>;
}
export type OpenArtifact = (sha256: string, offset: number, signal: AbortSignal) => Promise<ArtifactBytes>;

export interface ArtifactCacheOptions {
  readonly folder: string;
  readonly maxBytes: number;
  readonly openArtifact: OpenArtifact;
  /** Digests that a replica uses: never evicted. */
  readonly inUse: () => ReadonlySet<string>;
}

/** The bytes are not those that were asked for. */
export class CorruptArtifactError extends Error {
  override readonly name = 'CorruptArtifactError';
}

interface Download {
  readonly done: Promise<string>;
  readonly abort: AbortController;
  waiting: number;
}

const partSuffix = '.part';

export class ArtifactCache {
  private readonly downloads = new Map<string, Download>();

  constructor(private readonly options: ArtifactCacheOptions) {}

  pathOf(sha256: string): string {
    return join(this.options.folder, sha256);
  }

  /**
   * Returns the path of the verified file, fetching it if need be. Aborting gives up waiting; the download itself ends
   * when nobody waits for it any more.
   */
  async fetch(file: ArtifactFile, signal: AbortSignal): Promise<string> {
    const path = this.pathOf(file.sha256);
    if ((await sizeOf(path)) === file.size_bytes) {
      const now = new Date();
      await utimes(path, now, now);
      return path;
    }
    await this.endOfAborted(file.sha256);
    signal.throwIfAborted();
    return this.wait(this.downloads.get(file.sha256) ?? this.begin(file), signal);
  }

  /** Re-reads a cached file and removes it when its bytes have changed on disk. Returns whether it was good. */
  async verify(sha256: string): Promise<boolean> {
    const path = this.pathOf(sha256);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    if (hash.digest('hex') === sha256) return true;
    await rm(path, { force: true });
    return false;
  }

  /** A download that was given up still owns its partial file until it has ended. */
  private async endOfAborted(sha256: string): Promise<void> {
    for (;;) {
      const download = this.downloads.get(sha256);
      if (!download?.abort.signal.aborted) return;
      await download.done.catch(() => undefined);
    }
  }

  private begin(file: ArtifactFile): Download {
    const abort = new AbortController();
    const done = this.download(file, abort.signal).finally(() => this.downloads.delete(file.sha256));
    const download: Download = { done, abort, waiting: 0 };
    this.downloads.set(file.sha256, download);
    return download;
  }

  private async wait(download: Download, signal: AbortSignal): Promise<string> {
    download.waiting += 1;
    const listening = new AbortController();
    const gaveUp = new Promise<never>((_, reject) => {
      const giveUp = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', giveUp, { once: true, signal: listening.signal });
    });
    try {
      return await Promise.race([download.done, gaveUp]);
    } finally {
      listening.abort();
      download.waiting -= 1;
      if (download.waiting === 0) download.abort.abort();
    }
  }

  private async download(file: ArtifactFile, signal: AbortSignal): Promise<string> {
    await mkdir(this.options.folder, { recursive: true });
    await this.makeRoom(file.size_bytes);
    const part = this.pathOf(file.sha256) + partSuffix;
    const digest = await this.fill(part, file, signal);
    if (digest !== file.sha256) {
      await rm(part, { force: true });
      throw new CorruptArtifactError(`artifact ${file.sha256} arrived with the digest ${digest}`);
    }
    const path = this.pathOf(file.sha256);
    await rename(part, path);
    await syncFolder(this.options.folder);
    return path;
  }

  /** Completes the partial file from where it ends and returns the digest of the whole. */
  private async fill(part: string, file: ArtifactFile, signal: AbortSignal): Promise<string> {
    const handle = await open(part, 'a+', 0o644);
    try {
      const have = (await handle.stat()).size;
      const offset = have < file.size_bytes ? have : 0;
      if (offset === 0) await handle.truncate(0);
      const { start, body } = await this.options.openArtifact(file.sha256, offset, signal);
      if (start !== offset) await handle.truncate(start);
      const hash = createHash('sha256');
      for await (const chunk of handle.createReadStream({ start: 0, autoClose: false }))
        hash.update(chunk as Buffer);
      let size = start;
      for await (const chunk of body) {
        size += chunk.length;
        if (size > file.size_bytes) break;
        hash.update(chunk);
        await handle.write(chunk);
      }
      if (size < file.size_bytes)
        throw new Error(`the download ended after ${size} of ${file.size_bytes} bytes`);
      // Replicas hold hard links to it: nobody may write to it any more.
      await handle.chmod(0o444);
      await handle.sync();
      return hash.digest('hex');
    } finally {
      await handle.close();
    }
  }

  /** Evicts until `bytes` more fit, as far as that is possible: what is in use stays even above the limit. */
  private async makeRoom(bytes: number): Promise<void> {
    const files = await this.list();
    let total = files.reduce((sum, { size }) => sum + size, bytes);
    for (const { name, size } of files.toSorted((a, b) => a.usedAtMs - b.usedAtMs)) {
      if (total <= this.options.maxBytes) return;
      const digest = name.replace(partSuffix, '');
      if (this.options.inUse().has(digest) || this.downloads.has(digest)) continue;
      await rm(join(this.options.folder, name), { force: true });
      total -= size;
    }
  }

  private async list(): Promise<{ name: string; size: number; usedAtMs: number }[]> {
    const names = await readdir(this.options.folder);
    return Promise.all(
      names.map(async (name) => {
        const { size, mtimeMs } = await stat(join(this.options.folder, name));
        return { name, size, usedAtMs: mtimeMs };
      }),
    );
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
