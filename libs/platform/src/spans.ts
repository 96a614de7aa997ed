/**
 * Spans for a collector, when there is one to send them to. What is not sampled costs a comparison; without a collector nothing is
 * loaded. A span is written when it is over: nothing follows a request around.
 */
import type { Trace } from './trace-context.js';

export interface FinishedSpan {
  readonly name: string;
  readonly kind: 'server' | 'internal';
  readonly trace: Trace;
  /** On the monotonic clock of this process. */
  readonly startMs: number;
  readonly endMs: number;
  /** Members that are undefined are left out. */
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
  /** What failed, when the fault is ours. */
  readonly error: string | undefined;
}

export interface SpanSink {
  /** Whether a trace that begins here is to be recorded. */
  chooses(): boolean;
  /** Takes a span of a sampled trace. Never waits, and drops what there is no room for. */
  write(span: FinishedSpan): void;
  /** Sends what is left, within a bound. */
  close(): Promise<void>;
}
