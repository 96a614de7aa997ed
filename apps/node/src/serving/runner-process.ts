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
import { decodeMessage, encodeMessage, fromRunner, toRunner } from '../runner/messages.js';
import type { FailureMessage, LoadFailedMessage, LoadMessage, LoadedMessage } from '../runner/messages.js';
import { crashed, late } from './outcome.js';
import type { Job, Outcome, Ticket } from './outcome.js';

/** Beside us in dist; from the sources, the built one, since a child process has no TypeScript loader. */
const besideUs = fileURLToPath(new URL('../runner/main.js', import.meta.url));
const runnerMain = existsSync(besideUs) ? besideUs : join(packageRoot, 'dist/apps/node/src/runner/main.js');

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
  /** How long a job may overstay its deadline inside the runner before the runner counts as stuck. */
  readonly hardLimitMs: number;
  readonly onLog: (line: string) => void;
}

type LoadResult =
  | { readonly kind: 'loaded'; readonly message: LoadedMessage }
  | { readonly kind: 'failed'; readonly error: LoadError };

export class RunnerProcess {
  /** What the runner found out about its model; set when `load` has returned. */
  loaded: LoadedMessage | undefined;
  private readonly child: ChildProcess;
  private readonly writer: FrameWriter;
  private readonly pending = new Map<number, PendingJob>();
  private nextId = 1;
  private killReason: string | undefined;
  private hasEnded = false;
  private hasOpened = false;
  private onLoad: ((result: LoadResult) => void) | undefined;
  private onExit: ((reason: string) => void) | undefined;

  private constructor(private readonly options: RunnerOptions) {
    this.child = spawn(process.execPath, [runnerMain], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // A model is a stranger's program: it gets no secret of the node.
      env: inheritedEnv({ SLUICE_NODE_JOIN_TOKEN: '' }),
    });
    const socket = this.child.stdio[3] as Duplex;
    const reader = new FrameReader();
    const onFrame = (frame: Frame): void => this.receive(frame);
    this.writer = new FrameWriter(socket);
    socket.on('data', (chunk: Buffer) => this.read(reader, chunk, onFrame));
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
    runner.loaded = result.message;
    if (runner.hasEnded) throw new LoadError('the runner died right after loading', false);
    runner.onExit = onExit;
    return runner;
  }

  /** Jobs inside the process, also those whose caller has gone. */
  get busy(): number {
    return this.pending.size;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  submit(job: Job): Ticket {
    const id = this.nextId;
    this.nextId = id === 0xffff_ffff ? 1 : id + 1;
    const head = Buffer.allocUnsafe(4);
    head.writeUInt32LE(Math.min(0xffff_ffff, Math.max(0, Math.ceil(job.timeoutMs))));
    const entry = new PendingJob(job, id, this);
    this.pending.set(id, entry);
    this.writer.send(id, toRunner.inferJson, head, ...job.body);
    return entry;
  }

  /** Ends the process at once; jobs inside get RUNNER_CRASHED. */
  kill(reason: string): void {
    this.killReason ??= reason;
    this.child.kill('SIGKILL');
  }

  /** For {@link PendingJob}: tells the runner that nobody waits, and how long it may still take to notice. */
  cancel(id: number): number {
    this.writer.send(id, toRunner.cancel);
    return this.options.hardLimitMs;
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
    try {
      reader.push(chunk, onFrame);
    } catch (error) {
      this.kill(`it broke the protocol: ${String(error)}`);
    }
  }

  private receive({ id, kind, payload }: Frame): void {
    if (kind === fromRunner.result) this.settle(id, { kind: 'result', body: payload });
    else if (kind === fromRunner.failure)
      this.settle(id, { kind: 'failure', ...(decodeMessage(payload) as FailureMessage) });
    else if (kind === fromRunner.opened) this.hasOpened = true;
    else if (kind === fromRunner.skipped) this.settle(id, late);
    else if (kind === fromRunner.loaded)
      this.onLoad?.({ kind: 'loaded', message: decodeMessage(payload) as LoadedMessage });
    else if (kind === fromRunner.loadFailed) {
      const { reason, permanent } = decodeMessage(payload) as LoadFailedMessage;
      this.onLoad?.({ kind: 'failed', error: new LoadError(reason, permanent) });
    }
  }

  private settle(id: number, outcome: Outcome): void {
    const entry = this.pending.get(id);
    if (!entry) return;
    this.pending.delete(id);
    entry.settle(outcome);
  }

  private end(how: string): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    const reason = this.killReason === undefined ? how : `${this.killReason}, ${how}`;
    for (const id of this.pending.keys()) this.settle(id, crashed);
    const onExit = this.onExit;
    this.onExit = undefined;
    onExit?.(reason);
  }
}

/** A job inside a runner. Past its deadline the caller is answered; past the hard limit the runner is killed. */
class PendingJob implements Ticket {
  private readonly report: (outcome: Outcome) => void;
  private readonly deadlineMs: number;
  private timer: NodeJS.Timeout;
  private isWaitedFor = true;

  // Keeps no hold of the body: it may be large, and the runner has it.
  constructor(
    job: Job,
    private readonly id: number,
    private readonly runner: RunnerProcess,
  ) {
    this.report = job.settle;
    this.deadlineMs = performance.now() + job.timeoutMs;
    this.timer = setTimeout(() => this.expire(), job.timeoutMs);
  }

  settle(outcome: Outcome): void {
    clearTimeout(this.timer);
    if (!this.isWaitedFor) return;
    this.isWaitedFor = false;
    this.report(outcome);
  }

  abandon(): void {
    if (!this.isWaitedFor) return;
    this.isWaitedFor = false;
    this.leave(Math.max(0, this.deadlineMs - performance.now()));
  }

  private expire(): void {
    this.isWaitedFor = false;
    this.leave(0);
    this.report(late);
  }

  private leave(leftMs: number): void {
    clearTimeout(this.timer);
    const hardLimitMs = this.runner.cancel(this.id);
    this.timer = setTimeout(() => this.runner.kill('it was stuck on a request'), leftMs + hardLimitMs);
  }
}
