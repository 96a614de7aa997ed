/**
 * One loaded version: its runner processes, the choice among them, the bound on what waits, and their replacement with
 * back-off when they die. While the last one is being replaced, jobs wait for it instead of failing.
 */
import type { VersionConfig } from '#contracts/models';
import type { Logger } from '#platform/logger';
import type { LoadMessage, LoadedMessage } from '../runner/messages.js';
import { crashed, failure, late } from './outcome.js';
import type { Job, Outcome, Ticket } from './outcome.js';
import { LoadError, RunnerProcess } from './runner-process.js';
import { messageOf } from '#platform/errors';

export interface PoolLimits {
  readonly loadTimeoutMs: number;
  readonly hardLimitMs: number;
}

export interface PoolOptions {
  readonly load: LoadMessage;
  readonly config: Pick<VersionConfig, 'instances' | 'max_queue_size'>;
  readonly limits: PoolLimits;
  readonly logger: Logger;
  readonly random: () => number;
  /** Called when the version stops (a reason) or starts again (null) to have runners that live. */
  readonly onHealth: (trouble: string | null) => void;
}

const firstRestartMs = 100;
const maxRestartMs = 30_000;
/** A runner that lived this long has forgiven the deaths before it. */
const stableMs = 60_000;
/** From this many deaths in a row the version counts as unhealthy and jobs no longer wait for a replacement. */
const unhealthyDeaths = 3;

/** The wait before the next start after `deaths` deaths in a row: none at first, then doubling, ± 25 %. */
export function restartDelayMs(deaths: number, random: () => number): number {
  if (deaths <= 1) return 0;
  return Math.min(maxRestartMs, firstRestartMs * 2 ** (deaths - 2)) * (0.75 + random() / 2);
}

export class RunnerPool {
  private readonly runners = new Set<RunnerProcess>();
  private readonly held = new Set<HeldJob>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly idleWaiters = new Set<() => void>();
  private live = 0;
  private deaths = 0;
  private isClosed = false;

  private load: LoadMessage;

  private constructor(private readonly options: PoolOptions) {
    this.load = options.load;
  }

  /**
   * Starts all instances: the first alone, as a bad model shows there, then the others side by side.
   * @throws LoadError
   */
  static async start(options: PoolOptions): Promise<{ pool: RunnerPool; loaded: LoadedMessage }> {
    const pool = new RunnerPool(options);
    try {
      const loaded = await pool.startFirst();
      const others = Array.from({ length: options.config.instances - 1 }, () => pool.startRunner());
      await Promise.all(others);
      return { pool, loaded };
    } catch (error) {
      pool.close();
      throw error;
    }
  }

  /** Jobs whose caller still waits. */
  get inFlight(): number {
    return this.live;
  }

  get pids(): number[] {
    return [...this.runners].flatMap(({ pid }) => pid ?? []);
  }

  submit(job: Job): Ticket | undefined {
    const refusal = this.refusal();
    if (refusal) {
      job.settle(refusal);
      return undefined;
    }
    const entry = new PooledJob(job.settle, this.leave);
    this.live += 1;
    const { body, timeoutMs } = job;
    this.place(entry, { body, timeoutMs, settle: entry.settle });
    return entry;
  }

  /** Resolves when no caller waits any more. */
  whenIdle(): Promise<void> {
    if (this.live === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.add(resolve));
  }

  /** Ends all runners now. Jobs that are still inside get RUNNER_CRASHED. */
  close(): void {
    this.isClosed = true;
    for (const timer of this.timers) clearTimeout(timer);
    for (const job of this.held) job.release(crashed);
    for (const runner of this.runners) runner.kill('its version was unloaded');
  }

  private refusal(): Outcome | undefined {
    const { max_queue_size: most } = this.options.config;
    if (this.live - this.runners.size >= most)
      return failure('OVERLOADED', `${most} requests wait for this version already. Try again later.`);
    if (this.runners.size === 0 && (this.isClosed || this.deaths >= unhealthyDeaths))
      return failure('RUNNER_CRASHED', 'The runner of this version keeps dying. Try again later.');
    return undefined;
  }

  private readonly leave = (): void => {
    this.live -= 1;
    if (this.live > 0) return;
    for (const resolve of this.idleWaiters) resolve();
    this.idleWaiters.clear();
  };

  private leastBusy(): RunnerProcess | undefined {
    let best: RunnerProcess | undefined;
    for (const runner of this.runners) if (!best || runner.busy < best.busy) best = runner;
    return best;
  }

  private place(entry: PooledJob, job: Job): void {
    const runner = this.leastBusy();
    if (runner) {
      entry.ticket = runner.submit(job);
      return;
    }
    const held = new HeldJob(entry, job, () => this.held.delete(held));
    this.held.add(held);
    entry.ticket = held;
  }

  /** When the process dies of the warm-up, the model is loaded without one. */
  private async startFirst(): Promise<LoadedMessage> {
    try {
      return await this.startRunner();
    } catch (error) {
      if (!(error instanceof LoadError) || !error.diedInWarmup) throw error;
      const config = { ...this.load.config, warmup: false };
      this.load = { ...this.load, config };
      return { ...(await this.startRunner()), warmupSkipped: error.message };
    }
  }

  private async startRunner(): Promise<LoadedMessage> {
    const { load } = this;
    const { limits, logger } = this.options;
    const started: { runner?: RunnerProcess } = {};
    const runner = await RunnerProcess.start(
      {
        ...limits,
        load,
        onLog: (line) => logger.warn({ model: load.model, version: load.version, line }, 'runner says'),
      },
      (reason) => this.replace(started.runner, reason),
    );
    started.runner = runner;
    if (this.isClosed) {
      runner.kill('its version was unloaded');
      throw new LoadError('the version was unloaded while it was loaded', false);
    }
    this.runners.add(runner);
    if (!runner.loaded) throw new LoadError('the runner did not report its model', false);
    return runner.loaded;
  }

  private replace(runner: RunnerProcess | undefined, reason: string): void {
    if (runner) this.runners.delete(runner);
    if (this.isClosed) return;
    const { load, logger } = this.options;
    logger.error(
      { model: load.model, version: load.version, reason, deaths: this.deaths + 1 },
      'a runner died',
    );
    this.died(reason);
    this.restartLater();
  }

  private died(reason: string): void {
    this.deaths += 1;
    if (this.runners.size > 0 || this.deaths < unhealthyDeaths) return;
    for (const job of this.held) job.release(crashed);
    this.options.onHealth(`its runner keeps dying: ${reason}`);
  }

  private restartLater(): void {
    this.later(restartDelayMs(this.deaths, this.options.random), () => {
      this.startRunner().then(
        () => this.revived(),
        (error: unknown) => {
          if (this.isClosed) return;
          this.died(messageOf(error));
          this.restartLater();
        },
      );
    });
  }

  private revived(): void {
    const { deaths } = this;
    this.later(stableMs, () => {
      if (this.deaths === deaths) this.deaths = 0;
    });
    this.options.onHealth(null);
    const runner = this.leastBusy();
    if (runner) for (const job of this.held) job.passTo(runner);
  }

  private later(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, delayMs);
    this.timers.add(timer);
  }
}

/** A job counted by the pool until it is settled or abandoned, wherever it is. */
class PooledJob implements Ticket {
  ticket: Ticket | undefined;
  private isOver = false;

  constructor(
    private readonly report: (outcome: Outcome) => void,
    private readonly leave: () => void,
  ) {}

  readonly settle = (outcome: Outcome): void => {
    if (this.isOver) return;
    this.isOver = true;
    this.leave();
    this.report(outcome);
  };

  abandon(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.leave();
    this.ticket?.abandon();
  }
}

/** A job that waits for a runner to come back. */
class HeldJob implements Ticket {
  private readonly deadlineMs: number;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly entry: PooledJob,
    private readonly job: Job,
    private readonly forget: () => void,
  ) {
    this.deadlineMs = performance.now() + job.timeoutMs;
    this.timer = setTimeout(() => this.release(late), job.timeoutMs);
  }

  release(outcome: Outcome): void {
    this.abandon();
    this.job.settle(outcome);
  }

  passTo(runner: RunnerProcess): void {
    this.abandon();
    const timeoutMs = Math.max(1, this.deadlineMs - performance.now());
    this.entry.ticket = runner.submit({ ...this.job, timeoutMs });
  }

  abandon(): void {
    clearTimeout(this.timer);
    this.forget();
  }
}
