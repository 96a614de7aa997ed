/**
 * One part of the platform: a child process that is started, watched, started again when it dies, and stopped.
 * Children lead process groups of their own, so that a Ctrl-C reaches this process alone and the order of stopping is ours.
 * Programs of Sluice get an IPC channel: on it they say that they are ready, and its loss tells them that we are gone.
 */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { backoffMs } from '#client/backoff';
import { messageOf } from '#platform/errors';
import { z } from 'zod';
import { StartError } from '#platform/start';
import { codeOf } from '../error-code.js';
import { countFailure } from './count-failure.js';
import { exitReason, isTrace, readLogLine, type LogLine } from './log-line.js';

const restartBackoff = { firstMs: 250, maxMs: 15_000 };

export type PartState = 'STARTING' | 'READY' | 'BACKING_OFF' | 'STOPPING' | 'STOPPED';

/** `ipc`: the program sends `{type: 'ready', url}`. `line`: it writes a line that fits. */
export type Readiness =
  { readonly by: 'ipc' } | { readonly by: 'line'; readonly pattern: RegExp; readonly address: string };

export interface Launch {
  readonly file: string;
  readonly args: readonly string[];
  readonly options?: SpawnOptions;
  readonly env: NodeJS.ProcessEnv;
}

export interface PartSpec {
  readonly name: string;
  readonly launch: () => Launch;
  readonly ready: Readiness;
  readonly readyTimeoutMs: number;
  /** Signals in order, each with the time it gets; SIGKILL is the last by itself. */
  readonly stop: readonly { readonly signal: NodeJS.Signals; readonly waitMs: number }[];
  readonly logPath: string;
}

export interface PartStatus {
  readonly name: string;
  readonly state: PartState;
  readonly address: string | undefined;
  readonly pid: number | undefined;
  readonly reason: string | undefined;
}

export interface PartEvents {
  changed(status: PartStatus): void;
  said(name: string, line: LogLine): void;
}

const ReadyMessage = z.object({ type: z.literal('ready'), url: z.string() });
/** A part that was never ready and fails this often has a cause that waiting will not cure. */
const maxFirstStarts = 3;

export class Part {
  private state: PartState = 'STOPPED';
  private address: string | undefined;
  private reason: string | undefined;
  private child: ChildProcess | undefined;
  private lastWords: string | undefined;
  private failures = 0;
  private readyAtMs: number | undefined;
  private everReady = false;
  private timer: NodeJS.Timeout | undefined;
  private gone: Promise<void> = Promise.resolve();
  private settleFirstStart: ((failure?: StartError) => void) | undefined;

  constructor(
    readonly spec: PartSpec,
    private readonly events: PartEvents,
    private readonly random: () => number = Math.random,
  ) {}

  status(): PartStatus {
    const { state, address, reason } = this;
    return { name: this.spec.name, state, address, pid: this.child?.pid, reason };
  }

  /** Resolves when the part is ready for the first time; rejects when it cannot be brought up. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.settleFirstStart = (failure) => (failure ? reject(failure) : resolve());
      this.launch();
    });
  }

  /** Asks the process to end, ever less politely. Resolves when it is gone. Never rejects. */
  async stop(): Promise<void> {
    const child = this.beginStop();
    if (!child) return;
    for (const { signal, waitMs } of this.spec.stop) {
      child.kill(signal);
      if (await endsWithin(this.gone, waitMs)) return;
      this.events.said(this.spec.name, {
        severity: 'warning',
        text: `did not stop within ${waitMs} ms of ${signal}`,
      });
    }
    killGroup(child);
    await this.gone;
  }

  /** Ends the process at once. */
  kill(): void {
    const child = this.beginStop();
    if (child) killGroup(child);
  }

  private beginStop(): ChildProcess | undefined {
    clearTimeout(this.timer);
    this.enter(this.child ? 'STOPPING' : 'STOPPED');
    this.settleFirstStart?.(new StartError(`${this.spec.name} was stopped before it was ready.`));
    return this.child;
  }

  private enter(state: PartState, reason?: string): void {
    this.state = state;
    this.reason = reason;
    this.events.changed(this.status());
  }

  private launch(): void {
    const { file, args, options, env } = this.spec.launch();
    const ipc = this.spec.ready.by === 'ipc' ? (['ipc'] as const) : [];
    const stdio: SpawnOptions['stdio'] = ['ignore', 'pipe', 'pipe', ...ipc];
    const child = spawn(file, args, { cwd: '/', ...options, env, stdio, detached: true });
    this.child = child;
    this.lastWords = undefined;
    this.readyAtMs = undefined;
    this.enter('STARTING');
    const { readyTimeoutMs } = this.spec;
    this.timer = setTimeout(() => {
      this.lastWords = `not ready within ${readyTimeoutMs / 1_000} s`;
      killGroup(child);
    }, readyTimeoutMs);
    this.record(child);
    child.on('message', (message) => this.onMessage(message));
    child.on('error', (error) => (this.lastWords = messageOf(error)));
    this.gone = ending(child).then(({ code, signal }) => this.onEnd(code, signal));
  }

  private record(child: ChildProcess): void {
    const log = createWriteStream(this.spec.logPath, { flags: 'a', mode: 0o600 });
    log.on('error', (error) =>
      this.events.said(this.spec.name, { severity: 'error', text: messageOf(error) }),
    );
    const read = (stream: Readable | null, isComplaint: boolean): void => {
      if (!stream) return;
      createInterface({ input: stream }).on('line', (line) => {
        log.write(`${line}\n`);
        this.onLine(line, isComplaint);
      });
    };
    read(child.stdout, false);
    read(child.stderr, true);
    void ending(child).then(() => log.end());
  }

  private onLine(line: string, isComplaint: boolean): void {
    const { ready } = this.spec;
    if (ready.by === 'line' && ready.pattern.test(line)) this.onReady(ready.address);
    const read = readLogLine(line);
    if ((isComplaint && !isTrace(line)) || read.severity === 'error') this.lastWords = read.text;
    if (read.severity !== 'quiet') this.events.said(this.spec.name, read);
  }

  private onMessage(message: unknown): void {
    const parsed = ReadyMessage.safeParse(message);
    if (parsed.success) this.onReady(parsed.data.url);
  }

  private onReady(address: string): void {
    if (this.state !== 'STARTING') return;
    clearTimeout(this.timer);
    this.address = address || undefined; // a program that serves nobody has none
    this.readyAtMs = performance.now();
    this.everReady = true;
    this.enter('READY');
    this.settleFirstStart?.();
  }

  private onEnd(code: number | null, signal: NodeJS.Signals | null): void {
    clearTimeout(this.timer);
    this.child = undefined;
    if (this.state === 'STOPPING' || this.state === 'STOPPED') return this.enter('STOPPED');
    const reason = exitReason(code, signal, this.lastWords);
    this.failures = countFailure(
      this.failures,
      this.readyAtMs === undefined ? 0 : performance.now() - this.readyAtMs,
    );
    if (!this.everReady && this.failures >= maxFirstStarts) {
      this.enter('STOPPED', reason);
      this.settleFirstStart?.(
        new StartError(`${this.spec.name} does not start (${reason}). Its log: ${this.spec.logPath}`),
      );
      return;
    }
    const delayMs = Math.round(backoffMs(restartBackoff, this.failures, this.random));
    this.enter('BACKING_OFF', `${reason}; next try in ${delayMs} ms`);
    this.timer = setTimeout(() => this.launch(), delayMs);
  }
}

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Output may trail behind the exit; a grandchild that holds the pipe open must not hold us up. */
const trailingOutputMs = 300;

/** Resolves when the process is gone and its output read, also when it could not be started at all. */
function ending(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
    child.once('exit', (code, signal) => setTimeout(() => resolve({ code, signal }), trailingOutputMs));
    child.once('error', () => child.pid === undefined && resolve({ code: null, signal: null }));
  });
}

/** The process and what it started: it leads a group of its own. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error; // gone already
  }
}

async function endsWithin(gone: Promise<void>, waitMs: number): Promise<boolean> {
  let handle: NodeJS.Timeout | undefined;
  const timeout = new Promise<boolean>((resolve) => (handle = setTimeout(() => resolve(false), waitMs)));
  const ended = await Promise.race([gone.then(() => true), timeout]);
  clearTimeout(handle);
  return ended;
}
