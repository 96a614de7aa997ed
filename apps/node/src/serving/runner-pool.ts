/**
 * One loaded version as callers meet it: admission, the choice among its runners, and the wait for one when there is none
 * at the moment, because the last one died or because the version was evicted from memory.
 */
import type { VersionConfig } from '#contracts/models';
import type { LoadedMessage } from '../runner/messages.js';
import { refusalOf } from './admission.js';
import { Crew } from './crew.js';
import type { CrewOptions } from './crew.js';
import type { KeptBytes } from './kept-bytes.js';
import { crashed, failure } from './outcome.js';
import type { Failure, Job, Outcome, Ticket } from './outcome.js';
import { HeldJob, PooledJob } from './pooled-job.js';
import type { RunnerProcess } from './runner-process.js';
import { messageOf } from '#platform/errors';

export interface PoolOptions extends Omit<CrewOptions, 'onRunner' | 'onHopeless'> {
  readonly queue: Pick<VersionConfig, 'max_queue_size' | 'pinned'>;
  /** Called when the version stops (a reason) or starts again (null) to have runners that live. */
  readonly onHealth: (trouble: string | null) => void;
  /** Called when the version has left memory (false) or is back (true). */
  readonly onResidency: (isResident: boolean) => void;
  /** No caller waits any more. */
  readonly onIdle: () => void;
  /** Shared by all versions of the node. */
  readonly kept: KeptBytes;
  /** Resolves when the node has room for so much; what it returns is called when the memory is taken and measured. */
  readonly makeRoom: (bytes: number) => Promise<() => void>;
}

export class RunnerPool {
  /** When the last job came. */
  lastUsedMs = performance.now();
  private readonly held = new Set<HeldJob>();
  private readonly idleWaiters = new Set<() => void>();
  private readonly crew: Crew;
  private live = 0;
  private isClosed = false;
  private isWaking = false;
  /** What it held when it was last in memory. */
  private lastBytes = 0;

  private constructor(private readonly options: PoolOptions) {
    this.crew = new Crew({
      ...options,
      onRunner: (runner) => this.welcome(runner),
      onHopeless: (reason) => {
        this.releaseHeld(crashed);
        options.onHealth(`its runner keeps dying: ${reason}`);
      },
    });
  }

  /** Starts all instances. @throws LoadError */
  static async start(options: PoolOptions): Promise<{ pool: RunnerPool; loaded: LoadedMessage }> {
    const pool = new RunnerPool(options);
    try {
      return { pool, loaded: await pool.crew.start() };
    } catch (error) {
      pool.close();
      throw error;
    }
  }

  /** Jobs whose caller still waits. */
  get inFlight(): number {
    return this.live;
  }

  get kept(): KeptBytes {
    return this.options.kept;
  }

  get pids(): number[] {
    return [...this.crew.runners].flatMap(({ pid }) => pid ?? []);
  }

  /** Memory that its runners hold, as last measured. */
  get residentBytes(): number {
    let bytes = 0;
    for (const runner of this.crew.runners) bytes += runner.residentBytes;
    return bytes;
  }

  get pinned(): boolean {
    return this.options.queue.pinned;
  }

  get isEvictable(): boolean {
    return !this.pinned && !this.isClosed && this.live === 0 && this.crew.isAwake && !this.isWaking;
  }

  submit(job: Job): Ticket | undefined {
    this.lastUsedMs = performance.now();
    const refusal = this.refusal(job.timeoutMs);
    if (refusal) {
      job.settle(refusal);
      return undefined;
    }
    const entry = new PooledJob(job, this);
    this.live += 1;
    this.place(entry, { ...job, settle: entry.settle });
    return entry;
  }

  /** Gives the memory back; the next job brings the version back. Only for an idle pool. */
  evict(): void {
    this.lastBytes = this.residentBytes;
    this.crew.rest('its version was evicted from memory');
    this.options.onResidency(false);
  }

  /** To be called now and then: measures the runners and has those replaced that have grown too large. */
  inspect(): void {
    for (const runner of this.crew.runners) runner.measure();
    this.crew.inspect();
  }

  /** Resolves when no caller waits any more. */
  whenIdle(): Promise<void> {
    if (this.live === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.add(resolve));
  }

  /** Ends all runners now. Jobs that are still inside get RUNNER_CRASHED. */
  close(): void {
    this.isClosed = true;
    this.releaseHeld(crashed);
    this.crew.rest('its version was unloaded');
  }

  private refusal(timeoutMs: number): Failure | undefined {
    const { crew, live, options } = this;
    if (this.isClosed || crew.isHopeless)
      return failure('RUNNER_CRASHED', 'The runner of this version keeps dying. Try again later.');
    return refusalOf([...crew.runners], { jobs: live, maxWaiting: options.queue.max_queue_size }, timeoutMs);
  }

  /** One caller fewer waits. */
  leave(): void {
    this.live -= 1;
    if (this.live > 0) return;
    for (const resolve of this.idleWaiters) resolve();
    this.idleWaiters.clear();
    this.options.onIdle();
  }

  private leastBusy(): RunnerProcess | undefined {
    let best: RunnerProcess | undefined;
    for (const runner of this.crew.runners) if (!best || runner.ahead < best.ahead) best = runner;
    return best;
  }

  /** Gives a job to a runner, or holds it until there is one. */
  place(entry: PooledJob, job: Job): void {
    if (this.isClosed || this.crew.isHopeless) {
      job.settle(crashed);
      return;
    }
    const runner = this.leastBusy();
    if (runner) {
      entry.ticket = runner.submit(job);
      return;
    }
    const held = new HeldJob(entry, job, (one) => this.held.delete(one));
    this.held.add(held);
    entry.ticket = held;
    if (!this.crew.isAwake) void this.wake();
  }

  /** One load, however many jobs wait for it. */
  private async wake(): Promise<void> {
    if (this.isWaking) return;
    this.isWaking = true;
    try {
      const settled = await this.options.makeRoom(this.lastBytes);
      try {
        if (!this.isClosed) await this.crew.wake();
      } finally {
        settled();
      }
    } catch (error) {
      this.releaseHeld(failure('OVERLOADED', `The version cannot be loaded now: ${messageOf(error)}`));
    } finally {
      this.isWaking = false;
    }
  }

  private welcome(runner: RunnerProcess): void {
    this.options.onHealth(null);
    this.options.onResidency(true);
    for (const job of this.held) job.passTo(runner);
  }

  private releaseHeld(outcome: Outcome): void {
    for (const job of this.held) job.release(outcome);
  }
}
