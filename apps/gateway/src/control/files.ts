/** What a gateway keeps on disk: the last good snapshot, its own credential and the usage that is still to be sent. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { textOf } from '#client/event-stream';
import type { Logger } from '#platform/logger';
import { CheckedFile } from './checked-file.js';
import { SavedSpool } from './usage-spool.js';

export const SavedCredential = z.object({ credential: z.string(), expires_at_ms: z.number() });
export type SavedCredential = z.infer<typeof SavedCredential>;

/** One file with one value, as JSON. */
export class StateFile<T extends z.ZodType> {
  private readonly file: CheckedFile;

  constructor(
    path: string,
    private readonly schema: T,
    logger: Logger,
  ) {
    this.file = new CheckedFile(path, logger);
  }

  /** The value, or undefined when there is none that can be trusted. */
  read(): Promise<z.output<T> | undefined> {
    return this.file.read((text) => this.schema.parse(JSON.parse(textOf(text))));
  }

  /** Replaces the file; writes never overlap. `durable` waits for the disk. */
  write(value: z.input<T>, durable: boolean): Promise<void> {
    return this.file.write([Buffer.from(JSON.stringify(value))], durable);
  }
}

export interface GatewayFiles {
  readonly usage: StateFile<typeof SavedSpool>;
  /** As it came from the registry. */
  readonly snapshot: CheckedFile;
  readonly credential: StateFile<typeof SavedCredential>;
}

export async function openFiles(folder: string, logger: Logger): Promise<GatewayFiles> {
  await mkdir(folder, { recursive: true });
  return {
    usage: new StateFile(join(folder, 'usage.json'), SavedSpool, logger),
    snapshot: new CheckedFile(join(folder, 'snapshot.json'), logger),
    credential: new StateFile(join(folder, 'credential.json'), SavedCredential, logger),
  };
}
