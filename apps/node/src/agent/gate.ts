/** Lets a bounded number of tasks run at once; the others wait in order. */

export class Gate {
  private running = 0;
  private readonly queue: (() => void)[] = [];

  constructor(private readonly width: number) {}

  /** Resolves when there is room; what it returns gives the place to the next, and is to be called once. */
  async enter(): Promise<() => void> {
    if (this.running < this.width) this.running += 1;
    else await new Promise<void>((resolve) => this.queue.push(resolve));
    return () => this.leave();
  }

  private leave(): void {
    const next = this.queue.shift();
    if (next) next();
    else this.running -= 1;
  }
}
