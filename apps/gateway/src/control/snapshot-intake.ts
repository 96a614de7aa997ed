/**
 * Takes snapshots in: reads, applies and saves them, each in steps, for a large one would hold the event loop for a second. One at
 * a time.
 */
import type { TextBytes } from '#client/event-stream';
import type { Snapshot } from '#contracts/snapshot';
import type { Logger } from '#platform/logger';
import { runInSlices } from '#platform/time-slices';
import type { Core } from '../data-plane/core.js';
import type { CheckedFile } from './checked-file.js';
import { SnapshotReader } from './snapshot-reader.js';

export class SnapshotIntake {
  private readonly reader = new SnapshotReader();

  constructor(
    private readonly core: Core,
    private readonly file: CheckedFile,
    private readonly logger: Logger,
  ) {}

  /** Puts the last good snapshot into force. @returns whether there was one */
  async restore(): Promise<boolean> {
    return (await this.file.read((text) => this.apply(text))) !== undefined;
  }

  /** Resolves when the snapshot is in force; the copy on the disk follows. */
  async take(text: TextBytes): Promise<void> {
    const { revision, endpoints } = await this.apply(text);
    this.logger.info({ revision, endpoints: endpoints.length }, 'snapshot applied');
    // The gateway serves on without the copy, so a failure is only told.
    this.file
      .write(text, true)
      .catch((error: unknown) => this.logger.error({ err: error }, 'the snapshot cannot be saved'));
  }

  /** Resolves when no copy is being written. */
  idle(): Promise<void> {
    return this.file.idle();
  }

  private async apply(text: TextBytes): Promise<Snapshot> {
    const snapshot = await runInSlices(this.reader.read(text));
    await runInSlices(this.core.applying(snapshot));
    return snapshot;
  }
}
