/** What a gateway keeps on disk: the last good snapshot and its own credential. Each file is replaced whole and carries a checksum; a damaged one counts as absent. */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { Snapshot } from '#contracts/snapshot';
import type { Logger } from '#platform/logger';
import { SavedSpool } from './usage-spool.js';

export const SavedCredential = z.object({ credential: z.string(), expires_at_ms: z.number() });
export type SavedCredential = z.infer<typeof SavedCredential>;

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** One file with one value: a line with the checksum of the rest, then JSON. */
export class StateFile<T extends z.ZodType> {
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly path: string,
    private readonly schema: T,
    private readonly logger: Logger,
  ) {}

  /** The value, or undefined when there is none that can be trusted. */
  async read(): Promise<z.output<T> | undefined> {
    try {
      const text = await readFile(this.path, 'utf8');
      const cut = text.indexOf('\n');
      const json = text.slice(cut + 1);
      if (text.slice(0, cut) !== digest(json)) throw new Error('the checksum does not match');
      return this.schema.parse(JSON.parse(json));
    } catch (error) {
      if (!isMissing(error)) this.logger.warn({ err: error, path: this.path }, 'saved state is damaged');
      return undefined;
    }
  }

  /** Replaces the file; writes never overlap. `durable` waits for the disk. */
  write(value: z.input<T>, durable: boolean): Promise<void> {
    return this.writeText(JSON.stringify(value), durable);
  }

  /** The same for a value that is JSON already. */
  writeText(json: string, durable: boolean): Promise<void> {
    this.writing = this.writing.catch(() => undefined).then(() => this.replace(json, durable));
    return this.writing;
  }

  /** Resolves when no write is under way. */
  idle(): Promise<void> {
    return this.writing.catch(() => undefined);
  }

  private async replace(json: string, durable: boolean): Promise<void> {
    const temporary = `${this.path}.new`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await writeChecked(file, json);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.path);
    if (durable) await syncFolder(dirname(this.path));
  }
}

/** Checksum and JSON, piece by piece: a large snapshot must not hold the event loop. */
async function writeChecked(file: FileHandle, json: string): Promise<void> {
  const hash = createHash('sha256');
  await file.writeFile(`${'0'.repeat(64)}\n`);
  for (const piece of piecesOf(json)) {
    const bytes = Buffer.from(piece);
    hash.update(bytes);
    await file.writeFile(bytes);
  }
  await file.write(hash.digest('hex'), 0);
}

const pieceLength = 1_048_576;

function* piecesOf(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    let end = Math.min(at + pieceLength, text.length);
    // A pair of surrogates stays together.
    if (/[\ud800-\udbff]/.test(text.charAt(end - 1))) end += 1;
    yield text.slice(at, end);
    at = end;
  }
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

export interface GatewayFiles {
  readonly usage: StateFile<typeof SavedSpool>;
  readonly snapshot: StateFile<typeof Snapshot>;
  readonly credential: StateFile<typeof SavedCredential>;
}

export async function openFiles(folder: string, logger: Logger): Promise<GatewayFiles> {
  await mkdir(folder, { recursive: true });
  const file = <T extends z.ZodType>(name: string, schema: T): StateFile<T> =>
    new StateFile(join(folder, name), schema, logger);
  return {
    usage: file('usage.json', SavedSpool),
    snapshot: file('snapshot.json', Snapshot),
    credential: file('credential.json', SavedCredential),
  };
}
