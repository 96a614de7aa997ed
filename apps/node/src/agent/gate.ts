/** Lets a bounded number of tasks run at once; the others wait in order. */

export class Gate {
  private running = 0;
  private readonly queue: (() => void)[] = [];

  constructor(private readonly width: number) {}

  /** Runs the task when there is room. @throws the signal's reason when it is aborted before its turn */
  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    await this.enter();
    try {
      signal.throwIfAborted();
      return await task();
    } finally {
      this.leave();
    }
  }

  private enter(): Promise<void> {
    if (this.running < this.width) {
      this.running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.queue.push(resolve));
  }

  /** Hands its place to the next, if there is one. */
  private leave(): void {
    const next = this.queue.shift();
    if (next) next();
    else this.running -= 1;
  }
}
