/** PieceStore in a folder: `uploads/<upload>/<piece>`, beside the artifacts. */
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { PieceStore } from './artifact-store.js';
import { isMissing, syncFolder, writeNewFile } from './durable-files.js';

export class FilePieceStore implements PieceStore {
  readonly #folder: string;

  constructor(root: string) {
    this.#folder = join(root, 'uploads');
  }

  async write(upload: string, piece: string, source: Readable): Promise<number> {
    const folder = join(this.#folder, requirePlain(upload));
    await mkdir(folder, { recursive: true });
    const path = join(folder, requirePlain(piece));
    const sizeBytes = await writeNewFile(path, source);
    try {
      for (const made of [folder, this.#folder]) await syncFolder(made);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    return sizeBytes;
  }

  async open(upload: string, piece: string): Promise<Readable> {
    const handle = await open(join(this.#folder, requirePlain(upload), requirePlain(piece)), 'r');
    return handle.createReadStream({ highWaterMark: 256 * 1_024 });
  }

  async remove(upload: string, piece: string): Promise<void> {
    await rm(join(this.#folder, requirePlain(upload), requirePlain(piece)), { force: true });
  }

  async removeAll(upload: string): Promise<void> {
    await rm(join(this.#folder, requirePlain(upload)), { recursive: true, force: true });
  }

  async list(): Promise<string[]> {
    try {
      return await readdir(this.#folder);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }
}

/** A name becomes a path: whatever is none must not get that far. */
function requirePlain(name: string): string {
  if (/^[\w-]{1,200}$/.test(name)) return name;
  throw new Error(`${JSON.stringify(name)} cannot name a piece of an upload`);
}
