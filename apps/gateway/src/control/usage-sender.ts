/**
 * Brings what was used from the data plane to the registry, by way of the disk. A kill loses at most what was counted in the last
 * milliseconds; a registry that is away loses nothing; a batch that is sent twice counts once.
 */
import type { UsageBatch } from '#contracts/usage';
import type { Logger } from '#platform/logger';
import { v7 as uuidv7 } from 'uuid';
import type { UsageMeter } from '../data-plane/usage-meter.js';
import type { GatewayFiles } from './files.js';
import type { UsageJournal } from './usage-journal.js';
import { UsageSpool, emptySpool } from './usage-spool.js';

export interface UsageSenderOptions {
  readonly meter: UsageMeter;
  readonly file: GatewayFiles['usage'];
  readonly journal: UsageJournal;
  readonly send: (batch: UsageBatch, signal: AbortSignal) => Promise<unknown>;
  readonly everyMs: number;
  readonly logger: Logger;
}

const sendTimeoutMs = 5_000;

export class UsageSender {
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> = Promise.resolve();
  private failures = 0;

  private constructor(
    private readonly options: UsageSenderOptions,
    /** For the metrics. */
    readonly spool: UsageSpool,
  ) {}

  /** Takes up what an earlier process has left. */
  static async start(options: UsageSenderOptions): Promise<UsageSender> {
    const { journal, meter } = options;
    const spool = new UsageSpool((await options.file.read()) ?? emptySpool(uuidv7()));
    for (const { rows, served } of await journal.replay(spool.journal)) spool.put(rows, served);
    spool.journal = journal.next(meter);
    journal.follow(meter);
    const sender = new UsageSender(options, spool);
    await sender.save();
    sender.timer = setInterval(() => void sender.flush(), options.everyMs).unref();
    return sender;
  }

  /** Saves what was counted, and sends it as far as the registry takes it. */
  flush(): Promise<void> {
    this.working = this.working
      .then(() => this.work())
      .catch((error: unknown) => this.options.logger.error({ err: error }, 'what was used cannot be saved'));
    return this.working;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  private async work(): Promise<void> {
    this.takeIn();
    let batch = this.spool.batch();
    if (!batch) return;
    for (; batch; batch = this.spool.batch()) {
      await this.save();
      if (!(await this.send(batch))) return;
      this.spool.taken();
    }
    await this.save();
  }

  /** What was counted comes into the spool. */
  private takeIn(): void {
    const { meter, journal } = this.options;
    if (meter.isEmpty) return;
    this.spool.journal = journal.next(meter);
    const { rows, served } = meter.drain();
    this.spool.put(rows, served);
  }

  /** What is saved need not be noted any more. */
  private async save(): Promise<void> {
    const { journal } = this.spool;
    await this.options.file.write(this.spool.save(), true);
    await this.options.journal.removeBefore(journal);
  }

  private async send(batch: UsageBatch): Promise<boolean> {
    try {
      await this.options.send(batch, AbortSignal.timeout(sendTimeoutMs));
      this.failures = 0;
      return true;
    } catch (error) {
      this.failures += 1;
      if (this.failures === 1 || this.failures % 60 === 0)
        this.options.logger.warn({ err: error, failures: this.failures }, 'usage waits for the registry');
      return false;
    }
  }
}
