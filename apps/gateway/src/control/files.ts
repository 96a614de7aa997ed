/** What a gateway keeps on disk: the last good snapshot and its own credential. Each file is replaced whole and carries a checksum; a damaged one counts as absent. */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
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
    const json = JSON.stringify(value);
    this.writing = this.writing
      .catch(() => undefined)
      .then(() => this.replace(`${digest(json)}\n${json}`, durable));
    return this.writing;
  }

  /** Resolves when no write is under way. */
  idle(): Promise<void> {
    return this.writing.catch(() => undefined);
  }

  private async replace(text: string, durable: boolean): Promise<void> {
    const temporary = `${this.path}.new`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.path);
    if (durable) await syncFolder(dirname(this.path));
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
