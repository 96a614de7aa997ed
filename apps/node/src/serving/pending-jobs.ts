/**
 * The jobs inside one runner. Past its deadline a job's caller is answered; the runner itself counts as stuck only when it
 * has said nothing for the hard limit past the latest deadline of what it may be running: a request that merely waits
 * behind a longer one must not cost the runner its life.
 */
import { crashed, late, unbegun } from './outcome.js';
import type { Job, Outcome, Ticket } from './outcome.js';
import { Slots } from './slots.js';

export interface PendingOptions {
  readonly hardLimitMs: number;
  /** How long a free runner may take to begin with what it was given. */
  readonly slackMs: number;
  readonly nowMs: () => number;
  /** Nobody waits for the job any more. */
  readonly onLeft: (id: number) => void;
  readonly onStuck: () => void;
}

/** What a job inside a runner says about when the runner is overdue. */
export interface Inside {
  readonly submittedMs: number;
  readonly deadlineMs: number;
}

/**
 * When a runner that stays silent counts as stuck. It takes up work only between two runs and speaks after each, so what
 * was submitted later than it was last heard (and some slack) waits in the socket and cannot be what it is running.
 */
export function stuckAtMs(
  jobs: Iterable<Inside>,
  heardMs: number,
  { hardLimitMs, slackMs }: Pick<PendingOptions, 'hardLimitMs' | 'slackMs'>,
): number {
  let latestMs = heardMs;
  for (const { submittedMs, deadlineMs } of jobs)
    if (submittedMs <= heardMs + slackMs) latestMs = Math.max(latestMs, deadlineMs);
  return latestMs + hardLimitMs;
}

/** In one line of the log. */
const maxNamed = 20;

export class PendingJobs {
  private readonly jobs = new Slots<PendingJob>();
  /** When the runner last spoke, or was given its first job after having none. */
  private heardMs = 0;
  private left = 0;
  private watch: NodeJS.Timeout | undefined;
  private readonly emptied = new Set<() => void>();

  constructor(private readonly options: PendingOptions) {}

  /** Jobs inside, also those whose caller has gone. */
  get size(): number {
    return this.jobs.size;
  }

  /** What a new job has to wait for, in jobs: those whose callers have gone are skipped, but one of them may be running. */
  get ahead(): number {
    return this.jobs.size - this.left + (this.left > 0 ? 1 : 0);
  }

  /** The requests inside, by name; the first of them when they are many. */
  get requestIds(): string[] {
    return this.jobs
      .all()
      .slice(0, maxNamed)
      .map(({ requestId }) => requestId);
  }

  /** Gives the job a number until it is settled. */
  add(job: Job): Ticket & { readonly id: number } {
    const nowMs = this.options.nowMs();
    if (this.jobs.size === 0) this.heardMs = nowMs;
    return this.jobs.add((id) => new PendingJob(id, job, nowMs, () => this.leave(id)));
  }

  /** The job has only so long from its submission, as its body says. */
  shorten(id: number, timeoutMs: number): void {
    this.jobs.get(id)?.shorten(timeoutMs, this.options.nowMs());
  }

  settle(id: number, outcome: Outcome): void {
    const entry = this.jobs.take(id);
    if (!entry) return;
    if (!entry.isWaitedFor) this.left -= 1;
    entry.settle(outcome);
    if (this.jobs.size > 0) return;
    for (const resolve of this.emptied) resolve();
    this.emptied.clear();
  }

  /** Resolves when nothing is inside, also none of those whose caller has gone. */
  whenEmpty(): Promise<void> {
    if (this.jobs.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.emptied.add(resolve));
  }

  /** The runner has sent something. */
  heard(): void {
    this.heardMs = this.options.nowMs();
  }

  /** The runner has ended. What it cannot have begun may go to another one. */
  settleAll(): void {
    clearTimeout(this.watch);
    const begunMs = this.heardMs + this.options.slackMs;
    for (const { id, submittedMs } of this.jobs.all())
      this.settle(id, submittedMs > begunMs ? unbegun : crashed);
  }

  private leave(id: number): void {
    this.left += 1;
    this.options.onLeft(id);
    this.watchOn();
  }

  private watchOn(): void {
    if (this.watch !== undefined) return;
    const delayMs = Math.max(0, this.stuckAt() - this.options.nowMs());
    this.watch = setTimeout(() => {
      // What has arrived meanwhile is read first: it is this process that may have been busy.
      setImmediate(() => this.look());
    }, delayMs);
  }

  private look(): void {
    this.watch = undefined;
    if (this.left === 0) return;
    if (this.options.nowMs() >= this.stuckAt()) this.options.onStuck();
    else this.watchOn();
  }

  private stuckAt(): number {
    return stuckAtMs(this.jobs.all(), this.heardMs, this.options);
  }
}

class PendingJob implements Ticket, Inside {
  isWaitedFor = true;
  deadlineMs: number;
  readonly requestId: string;
  private readonly report: (outcome: Outcome) => void;
  private timer: NodeJS.Timeout;

  // Keeps no hold of the body: it may be large, and the runner has it.
  constructor(
    readonly id: number,
    job: Job,
    readonly submittedMs: number,
    private readonly leave: () => void,
  ) {
    this.report = job.settle;
    this.requestId = job.requestId;
    this.deadlineMs = submittedMs + job.timeoutMs;
    this.timer = setTimeout(() => this.expire(), job.timeoutMs);
  }

  settle(outcome: Outcome): void {
    clearTimeout(this.timer);
    if (!this.isWaitedFor) return;
    this.isWaitedFor = false;
    this.report(outcome);
  }

  shorten(timeoutMs: number, nowMs: number): void {
    if (!this.isWaitedFor) return;
    this.deadlineMs = Math.min(this.deadlineMs, this.submittedMs + timeoutMs);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.expire(), Math.max(0, this.deadlineMs - nowMs));
  }

  abandon(): void {
    if (!this.isWaitedFor) return;
    clearTimeout(this.timer);
    this.isWaitedFor = false;
    this.leave();
  }

  private expire(): void {
    if (!this.isWaitedFor) return;
    this.isWaitedFor = false;
    this.leave();
    this.report(late);
  }
}
