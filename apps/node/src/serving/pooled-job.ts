/** A pool's view of its jobs: counted until somebody settles or abandons them, and held while no runner can take them. */
import { late } from './outcome.js';
import type { Job, Outcome, Ticket } from './outcome.js';

/** A job counted by the pool until it is settled or abandoned, wherever it is. */
export class PooledJob implements Ticket {
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

/** A job that waits for a runner to come up. */
export class HeldJob implements Ticket {
  private readonly deadlineMs: number;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly entry: PooledJob,
    private readonly job: Job,
    private readonly forget: (held: HeldJob) => void,
  ) {
    this.deadlineMs = performance.now() + job.timeoutMs;
    this.timer = setTimeout(() => this.release(late), job.timeoutMs);
  }

  release(outcome: Outcome): void {
    this.abandon();
    this.job.settle(outcome);
  }

  passTo(runner: { submit(job: Job): Ticket }): void {
    this.abandon();
    const timeoutMs = Math.max(1, this.deadlineMs - performance.now());
    this.entry.ticket = runner.submit({ ...this.job, timeoutMs });
  }

  abandon(): void {
    clearTimeout(this.timer);
    this.forget(this);
  }
}
