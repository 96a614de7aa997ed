/**
 * Notes what was counted within milliseconds, so that a gateway that is killed loses no more than that: what the kernel has been given
 * outlives the process. Every save of the spool begins another file, whose number the spool carries; files with lower numbers are in
 * the spool already. It never waits for the disk: a write goes to memory of the kernel and takes some 20 µs, a hundred times a second at most.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '#platform/logger';
import type { UsageMeter } from '../data-plane/usage-meter.js';
import { readEntries, writeEntry } from './usage-lines.js';
import type { Journalled } from './usage-lines.js';

/** Between two writes: what is counted meanwhile shares the next one. */
const spacingMs = 10;
const name = /^usage\.(\d+)\.journal$/;

export class UsageJournal {
  /** Of the file that is written now, or will be. */
  private number = 0;
  private file: number | undefined;
  private introduced = new Set<number>();
  private timer: NodeJS.Timeout | undefined;
  private writtenMs = -Infinity;
  private hasFailed = false;
  private removedBefore = 0;

  constructor(
    private readonly folder: string,
    private readonly logger: Logger,
  ) {}

  /** What an earlier process noted and did not save. Files from before `number` were saved. */
  async replay(number: number): Promise<Journalled[]> {
    const numbers = (await this.numbers()).filter((one) => one >= number);
    this.number = Math.max(number, ...numbers.map((one) => one + 1));
    const texts = await Promise.all(numbers.map((one) => readFile(this.path(one), 'utf8')));
    return texts.map(readEntries);
  }

  /** Notes what the meter counts from now on. */
  follow(meter: UsageMeter): void {
    meter.onChange = () => {
      const waitMs = this.writtenMs + spacingMs - performance.now();
      this.timer = setTimeout(() => this.note(meter), Math.max(0, waitMs));
    };
  }

  /**
   * Begins another file. What the meter has counted must be taken out of it in the same turn.
   * @returns the number of the new file
   */
  next(meter: UsageMeter): number {
    clearTimeout(this.timer);
    this.note(meter);
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
    this.introduced = new Set();
    this.hasFailed = false;
    return (this.number += 1);
  }

  /** Removes the files before `number`: the spool is saved. */
  async removeBefore(number: number): Promise<void> {
    if (number === this.removedBefore) return;
    const numbers = (await this.numbers()).filter((one) => one < number);
    await Promise.all(numbers.map((one) => rm(this.path(one), { force: true })));
    this.removedBefore = number;
  }

  private note(meter: UsageMeter): void {
    const changes = meter.takeChanges();
    if (changes.sums.length === 0 || this.hasFailed) return;
    this.writtenMs = performance.now();
    try {
      this.file ??= openSync(this.path(this.number), 'a', 0o600);
      writeWhole(this.file, Buffer.from(writeEntry(changes, this.introduced)));
    } catch (error) {
      // After a gap nothing that follows would be believed; the next save begins anew.
      this.hasFailed = true;
      this.logger.warn(
        { err: error },
        'what is used cannot be noted: a kill would lose it back to the last save',
      );
    }
  }

  private async numbers(): Promise<number[]> {
    const found = (await readdir(this.folder)).flatMap((file) => name.exec(file)?.[1] ?? []);
    return found.map(Number).sort((a, b) => a - b);
  }

  private path(number: number): string {
    return join(this.folder, `usage.${number}.journal`);
  }
}

function writeWhole(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}
