/** What it takes for files to outlive a power cut. */
import { createWriteStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import type { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Writes a file that was not there through to the disk, or leaves none.
 * @returns its size in bytes
 * @throws what the streams fail with; EEXIST when it was there, which touches nothing
 */
export async function writeNewFile(path: string, source: Readable, through?: Transform): Promise<number> {
  // `flush` makes the stream call fsync before it closes the file.
  const file = createWriteStream(path, { flags: 'wx', mode: 0o640, flush: true });
  const closed = new Promise<void>((resolve) => file.once('close', () => resolve()));
  try {
    await (through ? pipeline(source, through, file) : pipeline(source, file));
  } catch (error) {
    // A thread may still be about to open the file: what was removed before that would come to be after it.
    await closed;
    if (!isThere(error)) await rm(path, { force: true });
    throw error;
  }
  return file.bytesWritten;
}

/** Makes names in a folder durable: new, renamed or removed ones. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

export const isMissing = (error: unknown): boolean => hasCode(error, 'ENOENT');
const isThere = (error: unknown): boolean => hasCode(error, 'EEXIST');
