/**
 * The node's end of one runner: starts the process, gives it its model, passes request bytes to it and matches the answers.
 * It knows nothing of HTTP or of other runners. Every job it takes gets exactly one outcome, also when the process dies.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { inheritedEnv } from '#platform/env';
import { packageRoot } from '#platform/program';
import { FrameReader, FrameWriter } from '../runner/frames.js';
import type { Frame } from '../runner/frames.js';
import { machineMs } from '../runner/machine-clock.js';
import {
  decodeMessage,
  decodeResultHead,
  decodeTimeout,
  encodeInferHead,
  encodeMessage,
  fromRunner,
  resultHeadBytes,
  toRunner,
} from '../runner/messages.js';
import type {
  FailureMessage,
  LoadFailedMessage,
  LoadMessage,
  LoadedMessage,
  MemoryMessage,
} from '../runner/messages.js';
import { late } from './outcome.js';
import type { Job, Result, Ticket } from './outcome.js';
import { PendingJobs } from './pending-jobs.js';
import { readByTurns } from './read-by-turns.js';
import { residentBytes } from './resident-bytes.js';
import { ServiceTime } from './service-time.js';

/** Beside us in dist; from the sources, the built one, since a child process has no TypeScript loader. */
const besideUs = fileURLToPath(new URL('../runner/main.js', import.meta.url));
const runnerMain = existsSync(besideUs) ? besideUs : join(packageRoot, 'dist/apps/node/src/runner/main.js');

/** Tensors lie outside of V8's heap: as for the front, one short collection costs less than many small steps. */
const runnerFlags = ['--no-incremental-marking'];

/** How long a free runner may take to read and begin what it was given. */
const takeUpMs = 100;

/** The runner could not take its model. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
  constructor(
    message: string,
    /** The model itself is bad: no other try can succeed. */
    readonly permanent: boolean,
    /** The process died of the warm-up run: without one the model may serve. */
    readonly diedInWarmup = false,
  ) {
    super(message);
  }
}

export interface RunnerOptions {
  readonly load: LoadMessage;
  readonly loadTimeoutMs: number;
  /** How long a runner may stay silent past the deadlines of what it runs before it counts as stuck. */
  readonly hardLimitMs: number;
  readonly onLog: (line: string) => void;
}

type LoadResult =
  | { readonly kind: 'loaded'; readonly message: LoadedMessage }
  | { readonly kind: 'failed'; readonly error: LoadError };

export class RunnerProcess {
  /** What the process held when its model was loaded. */
  loadedBytes = 0;
  private loadedMessage: LoadedMessage | undefined;
  private readonly child: ChildProcess;
  private readonly writer: FrameWriter;
  private readonly pending: PendingJobs;
  private readonly serviceTime = new ServiceTime();
  private killReason: string | undefined;
  private hasEnded = false;
  private hasOpened = false;
  private heldBytes = 0;
  private onLoad: ((result: LoadResult) => void) | undefined;
  private onExit: ((reason: string) => void) | undefined;

  private constructor(private readonly options: RunnerOptions) {
    this.pending = new PendingJobs({
      hardLimitMs: options.hardLimitMs,
      slackMs: takeUpMs + options.load.config.max_queue_delay_us / 1_000,
      nowMs: () => performance.now(),
      onLeft: (id) => this.writer.send(id, toRunner.cancel),
      onStuck: () => this.kill('it was stuck on a request'),
    });
    this.child = spawn(process.execPath, [...runnerFlags, runnerMain], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // A model is a stranger's program: it gets no secret of the node.
      env: inheritedEnv({ SLUICE_NODE_JOIN_TOKEN: '' }),
    });
    const socket = this.child.stdio[3] as Duplex;
    const reader = new FrameReader();
    const onFrame = (frame: Frame): void => this.receive(frame);
    this.writer = new FrameWriter(socket);
    readByTurns(socket, (chunk) => this.read(reader, chunk, onFrame));
    // A broken pipe is followed by the end of the process, which settles everything.
    socket.on('error', () => this.child.kill('SIGKILL'));
    for (const output of [this.child.stdout, this.child.stderr])
      if (output) createInterface({ input: output }).on('line', options.onLog);
    this.child.once('error', (error) => this.end(`it could not be started: ${error.message}`));
    this.child.once('close', (code, signal) => this.end(signal ? `ended by ${signal}` : `exit code ${code}`));
  }

  /**
   * Starts a process and loads the model in it; `onExit` hears of its end, once, whatever the reason.
   * @throws LoadError
   */
  static async start(options: RunnerOptions, onExit: (reason: string) => void): Promise<RunnerProcess> {
    const runner = new RunnerProcess(options);
    const result = await runner.load();
    if (result.kind === 'failed') {
      runner.kill('its model did not load');
      throw result.error;
    }
    runner.loadedMessage = result.message;
    runner.loadedBytes = runner.measure();
    if (runner.hasEnded) throw new LoadError('the runner died right after loading', false);
    runner.onExit = onExit;
    return runner;
  }

  /** What the runner found out about its model. */
  get loaded(): LoadedMessage {
    if (!this.loadedMessage) throw new LoadError('the runner has not reported its model', false);
    return this.loadedMessage;
  }

  /** Jobs inside the process, also those whose caller has gone. */
  get busy(): number {
    return this.pending.size;
  }

  /** Jobs that a new one would have to wait for. */
  get ahead(): number {
    return this.pending.ahead;
  }

  /** The requests inside, by name. */
  get requestIds(): string[] {
    return this.pending.requestIds;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** The predicted time until a job that is submitted now begins; 0 when the runner is idle or has shown nothing yet. */
  get waitMs(): number {
    return this.pending.size === 0 ? 0 : this.pending.ahead * this.serviceTime.perRequestMs;
  }

  /** What one request takes of the runner, with its share of the batches it comes in. */
  get perRequestMs(): number {
    return this.serviceTime.perRequestMs;
  }

  /** The memory that the process holds, as last measured. */
  get residentBytes(): number {
    return this.heldBytes;
  }

  /** Asks the system; where it does not tell, what the process last said stands. */
  measure(): number {
    this.heldBytes = residentBytes(this.pid) || this.heldBytes;
    return this.heldBytes;
  }

  submit(job: Job): Ticket {
    const ticket = this.pending.add(job);
    const { timeoutMs, protocol, headerLength } = job;
    const head = encodeInferHead({ submittedMs: machineMs(), timeoutMs, protocol, headerLength });
    this.writer.send(ticket.id, toRunner.infer, head, ...job.body);
    return ticket;
  }

  /** Ends the process when it has answered what is inside; it must be given nothing more. */
  retire(reason: string): void {
    void this.pending.whenEmpty().then(() => this.kill(reason));
  }

  /** Ends the process at once; jobs inside get RUNNER_CRASHED, or go to another runner when this one has not begun them. */
  kill(reason: string): void {
    this.killReason ??= reason;
    this.child.kill('SIGKILL');
  }

  private load(): Promise<LoadResult> {
    return new Promise((resolve) => {
      const { loadTimeoutMs, load } = this.options;
      const failed = (reason: string, diedInWarmup = false): void =>
        this.onLoad?.({ kind: 'failed', error: new LoadError(reason, false, diedInWarmup) });
      const timer = setTimeout(() => failed(`loading took longer than ${loadTimeoutMs} ms`), loadTimeoutMs);
      this.onLoad = (result) => {
        clearTimeout(timer);
        this.onLoad = undefined;
        resolve(result);
      };
      this.onExit = (reason) => {
        const doing = this.hasOpened ? 'ran the model on zeros' : 'loaded the model';
        failed(`the runner died while it ${doing} (${reason})`, this.hasOpened);
      };
      this.writer.send(0, toRunner.load, encodeMessage(load));
    });
  }

  private read(reader: FrameReader, chunk: Buffer, onFrame: (frame: Frame) => void): void {
    this.pending.heard();
    try {
      reader.push(chunk, onFrame);
    } catch (error) {
      this.kill(`it broke the protocol: ${String(error)}`);
    }
  }

  private receive({ id, kind, payload }: Frame): void {
    if (kind === fromRunner.result) this.succeed(id, payload);
    else if (kind === fromRunner.failure)
      this.pending.settle(id, { kind: 'failure', ...(decodeMessage(payload) as FailureMessage) });
    else if (kind === fromRunner.opened) this.hasOpened = true;
    else if (kind === fromRunner.skipped) this.pending.settle(id, late);
    else if (kind === fromRunner.timeout) this.pending.shorten(id, decodeTimeout(payload));
    else if (kind === fromRunner.memory) this.heldBytes = (decodeMessage(payload) as MemoryMessage).rss_bytes;
    else if (kind === fromRunner.loaded)
      this.onLoad?.({ kind: 'loaded', message: decodeMessage(payload) as LoadedMessage });
    else if (kind === fromRunner.loadFailed) {
      const { reason, permanent } = decodeMessage(payload) as LoadFailedMessage;
      this.onLoad?.({ kind: 'failed', error: new LoadError(reason, permanent) });
    }
  }

  private succeed(id: number, payload: Buffer): void {
    const { headerLength, ...timing } = decodeResultHead(payload);
    this.serviceTime.add(timing);
    const body = payload.subarray(resultHeadBytes);
    this.pending.settle(id, { kind: 'result', body, headerLength, timing } satisfies Result);
  }

  private end(how: string): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    const reason = this.killReason === undefined ? how : `${this.killReason}, ${how}`;
    const onExit = this.onExit;
    this.onExit = undefined;
    // First, so that no job comes back to this runner.
    onExit?.(reason);
    this.pending.settleAll();
  }
}
