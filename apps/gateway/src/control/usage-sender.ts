/**
 * Brings what was used from the data plane to the registry, by way of the disk. A kill loses at most what was counted since the
 * last save; a registry that is away loses nothing; a batch that is sent twice counts once.
 */
import type { UsageBatch } from '#contracts/usage';
import type { Logger } from '#platform/logger';
import { v7 as uuidv7 } from 'uuid';
import type { UsageMeter } from '../data-plane/usage-meter.js';
import type { GatewayFiles } from './files.js';
import { UsageSpool, emptySpool } from './usage-spool.js';

export interface UsageSenderOptions {
  readonly meter: UsageMeter;
  readonly file: GatewayFiles['usage'];
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
    const saved = (await options.file.read()) ?? emptySpool(uuidv7());
    const sender = new UsageSender(options, new UsageSpool(saved));
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
    const { rows, served } = this.options.meter.drain();
    this.spool.put(rows, served);
    for (;;) {
      const batch = this.spool.batch();
      if (rows.length > 0 || batch) await this.options.file.write(this.spool.save(), true);
      if (!batch || !(await this.send(batch))) return;
      this.spool.taken();
      await this.options.file.write(this.spool.save(), true);
    }
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
