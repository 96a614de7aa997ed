/** A pool's view of its jobs: counted until somebody settles or abandons them, and held while no runner can take them. */
import type { KeptBytes } from './kept-bytes.js';
import { late, unbegun } from './outcome.js';
import type { Job, Outcome, Ticket } from './outcome.js';

/** Who counts jobs and finds runners for them. */
interface Pool {
  leave(): void;
  place(entry: PooledJob, job: Job): void;
  /** Bodies are kept for another runner as far as this allows; the callers of the others may send them again. */
  readonly kept: KeptBytes;
}

const bytesOf = ({ body }: Job): number => body.reduce((sum, { length }) => sum + length, 0);

/** A job counted by the pool until it is settled or abandoned, wherever it is. */
export class PooledJob implements Ticket {
  ticket: Ticket | undefined;
  private isOver = false;
  private readonly deadlineMs: number;
  private readonly report: Job['settle'];
  private readonly bytes: number;
  /** The job as runners get it, where there is room to keep it. */
  private readonly kept: Job | undefined;

  constructor(
    job: Job,
    private readonly pool: Pool,
  ) {
    this.deadlineMs = performance.now() + job.timeoutMs;
    this.report = job.settle;
    this.bytes = bytesOf(job);
    if (pool.kept.take(this.bytes)) this.kept = { ...job, settle: this.settle };
  }

  readonly settle = (outcome: Outcome): void => {
    if (this.isOver) return;
    if (outcome === unbegun && this.kept) {
      const timeoutMs = Math.max(1, this.deadlineMs - performance.now());
      this.pool.place(this, { ...this.kept, timeoutMs });
      return;
    }
    this.end();
    this.report(outcome);
  };

  abandon(): void {
    if (this.isOver) return;
    this.end();
    this.ticket?.abandon();
  }

  private end(): void {
    this.isOver = true;
    if (this.kept) this.pool.kept.giveBack(this.bytes);
    this.pool.leave();
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
