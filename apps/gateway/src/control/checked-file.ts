/** A file of text that is replaced whole and carries a checksum: a line with the digest of the rest comes first. A damaged one counts as absent. */
import { createHash } from 'node:crypto';
import { open, rename } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { TextBytes } from '#client/event-stream';
import type { Logger } from '#platform/logger';

export class CheckedFile {
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly path: string,
    private readonly logger: Logger,
  ) {}

  /** What `parse` makes of the text; undefined when there is none that can be trusted. */
  async read<T>(parse: (text: TextBytes) => T | Promise<T>): Promise<T | undefined> {
    try {
      return await parse(await readChecked(this.path));
    } catch (error) {
      if (!isMissing(error)) this.logger.warn({ err: error, path: this.path }, 'saved state is damaged');
      return undefined;
    }
  }

  /** Replaces the file; writes never overlap. `durable` waits for the disk. */
  write(text: TextBytes, durable: boolean): Promise<void> {
    this.writing = this.writing.catch(() => undefined).then(() => this.replace(text, durable));
    return this.writing;
  }

  /** Resolves when no write is under way. */
  idle(): Promise<void> {
    return this.writing.catch(() => undefined);
  }

  private async replace(text: TextBytes, durable: boolean): Promise<void> {
    const temporary = `${this.path}.new`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await writeChecked(file, text);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.path);
    if (durable) await syncFolder(dirname(this.path));
  }
}

/** Of the digest in hex and the end of its line. */
const headBytes = 65;

async function readChecked(path: string): Promise<TextBytes> {
  const hash = createHash('sha256');
  const text: Uint8Array[] = [];
  const file = await open(path);
  const { buffer: head, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes);
  for await (const piece of file.createReadStream({ start: bytesRead }) as AsyncIterable<Buffer>) {
    hash.update(piece);
    text.push(piece);
  }
  if (head.toString('latin1') !== `${hash.digest('hex')}\n`) throw new Error('the checksum does not match');
  return text;
}

/** Piece by piece: a large snapshot must not hold the event loop. */
async function writeChecked(file: FileHandle, text: TextBytes): Promise<void> {
  const hash = createHash('sha256');
  await file.writeFile(`${'0'.repeat(headBytes - 1)}\n`);
  for (const piece of text) {
    hash.update(piece);
    await file.writeFile(piece);
  }
  await file.write(hash.digest('hex'), 0);
}

/** A rename is durable only when its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';
