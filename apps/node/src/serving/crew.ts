/**
 * The runner processes of one version: starts them, replaces with back-off those that die and without haste those that
 * have grown too large, sends all of them away and brings them back. It knows nothing of jobs but whether a runner has any.
 */
import { backoffMs } from '#client/backoff';
import { messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import type { LoadMessage, LoadedMessage } from '../runner/messages.js';
import { LoadError, RunnerProcess } from './runner-process.js';

export interface CrewLimits {
  readonly loadTimeoutMs: number;
  readonly hardLimitMs: number;
  /** A runner that holds more is replaced; undefined: several times what it held after loading. */
  readonly runnerMaxBytes: number | undefined;
}

export interface CrewOptions {
  readonly load: LoadMessage;
  /** How many processes, given what the first one measured. */
  readonly instances: (loaded: LoadedMessage) => number;
  readonly limits: CrewLimits;
  readonly logger: Logger;
  readonly random: () => number;
  /** A runner has come up by itself, after a death or a rest. */
  readonly onRunner: (runner: RunnerProcess) => void;
  /** No runner lives, and the last tries failed. */
  readonly onHopeless: (reason: string) => void;
}

const restartBackoff = { firstMs: 100, maxMs: 30_000 };
/** A runner that lived this long has forgiven the deaths before it. */
const stableMs = 60_000;
/** From this many deaths in a row without a living runner the version counts as unhealthy. */
const unhealthyDeaths = 3;
/** How large a runner may grow when nobody says. */
const growthFactor = 3;
const leastMaxBytes = 2 ** 30;

/** The wait before the next start after `deaths` deaths in a row: none at first. */
export const restartDelayMs = (deaths: number, random: () => number): number =>
  deaths <= 1 ? 0 : backoffMs(restartBackoff, deaths - 1, random);

/** The size from which a runner is replaced. */
export const maxBytesOf = (loadedBytes: number, configuredBytes: number | undefined): number =>
  configuredBytes ?? Math.max(leastMaxBytes, growthFactor * loadedBytes);

const unloaded = (): LoadError => new LoadError('the version was unloaded while it was loaded', false);

/** One time of being awake; a start that ends in another one is undone. */
interface Shift {
  starting: number;
}

export class Crew {
  /** Those that take jobs. */
  readonly runners = new Set<RunnerProcess>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private shift: Shift | undefined = { starting: 0 };
  private wanted = 1;
  private deaths = 0;
  private isRenewing = false;
  private load: LoadMessage;

  constructor(private readonly options: CrewOptions) {
    this.load = options.load;
  }

  get isAwake(): boolean {
    return this.shift !== undefined;
  }

  get isHopeless(): boolean {
    return this.runners.size === 0 && this.deaths >= unhealthyDeaths;
  }

  /**
   * Starts all instances: the first alone, as a bad model shows there, then the others side by side.
   * @throws LoadError
   */
  async start(): Promise<LoadedMessage> {
    const loaded = await this.startFirst();
    this.wanted = this.options.instances(loaded);
    const others = Array.from({ length: this.wanted - 1 }, () => this.startRunner());
    await Promise.all(others);
    return loaded;
  }

  /** Ends all runners until `wake`. Jobs that are inside get RUNNER_CRASHED. */
  rest(reason: string): void {
    this.shift = undefined;
    this.deaths = 0;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    for (const runner of this.runners) runner.kill(reason);
    this.runners.clear();
  }

  /** Brings the runners back; resolves when the starts have ended, well or not: those that failed are tried again. */
  async wake(): Promise<void> {
    this.shift ??= { starting: 0 };
    await this.fill();
  }

  /** Replaces a runner that has outgrown its limit, one at a time: start the new, switch, let the old finish, end it. */
  inspect(): void {
    if (this.isRenewing || this.shift === undefined) return;
    for (const runner of this.runners) {
      const maxBytes = maxBytesOf(runner.loadedBytes, this.options.limits.runnerMaxBytes);
      // A model that needs more than the limit right after loading would be replaced forever.
      if (runner.residentBytes <= Math.max(maxBytes, runner.loadedBytes * 1.1)) continue;
      void this.renew(runner);
      return;
    }
  }

  private async renew(old: RunnerProcess): Promise<void> {
    const { load, logger } = this.options;
    const { model, version } = load;
    logger.info({ model, version, bytes: old.residentBytes, pid: old.pid }, 'a runner has grown too large');
    this.isRenewing = true;
    try {
      await this.startRunner();
      this.runners.delete(old);
      old.retire('it had grown too large');
    } catch (error) {
      if (this.shift !== undefined)
        logger.warn({ model, version, reason: messageOf(error) }, 'replacing a large runner failed');
    } finally {
      this.isRenewing = false;
      // Another one may have died meanwhile and counted on the new one.
      if (this.shift !== undefined) void this.fill();
    }
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
    const { load, shift } = this;
    if (shift === undefined) throw unloaded();
    const { limits, logger } = this.options;
    const { model, version } = load;
    const onLog = (line: string): void => logger.warn({ model, version, line }, 'runner says');
    shift.starting += 1;
    try {
      const runner = await RunnerProcess.start({ ...limits, load, onLog }, (reason) =>
        this.ended(runner, reason),
      );
      if (this.shift !== shift) {
        runner.kill('its version was unloaded');
        throw unloaded();
      }
      this.runners.add(runner);
      return runner.loaded;
    } finally {
      shift.starting -= 1;
    }
  }

  /** Starts what is missing. */
  private async fill(): Promise<void> {
    const missing = this.wanted - this.runners.size - (this.shift?.starting ?? 0);
    await Promise.all(Array.from({ length: Math.max(0, missing) }, () => this.restart()));
  }

  private async restart(): Promise<void> {
    const { shift } = this;
    try {
      await this.startRunner();
      this.revived();
    } catch (error) {
      if (shift !== undefined && this.shift === shift) this.died(messageOf(error));
    }
  }

  private ended(runner: RunnerProcess, reason: string): void {
    const { load, logger } = this.options;
    const { model, version } = load;
    // One that was sent away is not missed.
    if (!this.runners.delete(runner)) return;
    const about = { model, version, pid: runner.pid, request_ids: runner.requestIds };
    logger.error({ ...about, reason, deaths: this.deaths + 1 }, 'a runner died');
    this.died(reason);
  }

  private died(reason: string): void {
    this.deaths += 1;
    if (this.isHopeless) this.options.onHopeless(reason);
    this.later(restartDelayMs(this.deaths, this.options.random), () => void this.fill());
  }

  private revived(): void {
    const { deaths } = this;
    this.later(stableMs, () => {
      if (this.deaths === deaths) this.deaths = 0;
    });
    for (const runner of this.runners) this.options.onRunner(runner);
  }

  private later(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, delayMs);
    this.timers.add(timer);
  }
}
