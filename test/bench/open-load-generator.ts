/**
 * An open-loop load generator: the moments to send are drawn before the first request, and each latency counts from its
 * moment, so a server that stalls is charged for everyone who would have come meanwhile (no coordinated omission).
 * A request that finds every connection busy waits for one, and its clock runs. Same process contract as load-generator.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { openConnection, prepare } from './http-wire.js';
import { OpenLoadOptions } from './load.js';
import type { LoadResult } from './load.js';
import { latencies } from './quantiles.js';
import { poissonArrivals, seededRandom } from './poisson.js';

class OpenLoop {
  readonly latenciesMs: number[] = [];
  private readonly free: Socket[] = [];
  private readonly intendedMs = new Map<Socket, number>();
  private nextArrival = 0;
  private answered = 0;
  private startMs = 0;
  private timer: NodeJS.Timeout | undefined;
  private finish: () => void = () => undefined;

  constructor(
    private readonly options: OpenLoadOptions,
    private readonly request: Buffer,
    private readonly arrivalsMs: readonly number[],
  ) {}

  async run(): Promise<void> {
    const sockets = Array.from({ length: this.options.connections }, () =>
      openConnection(this.options, (socket) => this.onAnswer(socket)),
    );
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    this.free.push(...sockets);
    this.startMs = performance.now();
    const finished = new Promise<void>((resolve) => (this.finish = resolve));
    this.send();
    await finished;
    for (const socket of sockets) socket.destroy();
  }

  /** Sends what is due as far as connections are free, and comes back when the next is due. */
  private send(): void {
    clearTimeout(this.timer);
    for (;;) {
      const dueMs = this.arrivalsMs[this.nextArrival];
      if (dueMs === undefined) return;
      const waitMs = this.startMs + dueMs - performance.now();
      if (waitMs > 0) {
        this.timer = setTimeout(() => this.send(), waitMs);
        return;
      }
      const socket = this.free.pop();
      if (!socket) return;
      this.nextArrival += 1;
      this.intendedMs.set(socket, dueMs);
      socket.write(this.request);
    }
  }

  private onAnswer(socket: Socket): void {
    const dueMs = this.intendedMs.get(socket) ?? Number.NaN;
    if (dueMs >= this.options.warmupMs) this.latenciesMs.push(performance.now() - this.startMs - dueMs);
    this.free.push(socket);
    this.answered += 1;
    if (this.answered === this.arrivalsMs.length) this.finish();
    else this.send();
  }
}

async function run(options: OpenLoadOptions): Promise<LoadResult> {
  const totalMs = options.warmupMs + options.durationMs;
  const arrivals = poissonArrivals(options.perSecond, totalMs, seededRandom(options.seed));
  if (arrivals.length === 0) throw new Error('no arrivals: the rate is too low for the time');
  const loop = new OpenLoop(options, prepare(options), arrivals);
  await loop.run();
  return {
    answered: arrivals.length,
    requests: loop.latenciesMs.length,
    seconds: options.durationMs / 1_000,
    ...latencies(loop.latenciesMs),
  };
}

process.stdout.write(
  `${JSON.stringify(await run(OpenLoadOptions.parse(JSON.parse(process.argv[2] ?? ''))))}\n`,
);
