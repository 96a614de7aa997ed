/** Whether a job may join those that wait for a version. Pure. */
import { failure } from './outcome.js';
import type { Failure } from './outcome.js';

/** A runner as admission sees it. */
export interface Lane {
  /** Jobs inside, whoever waits for them. */
  readonly busy: number;
  /** Predicted time until a new job begins. */
  readonly waitMs: number;
  /** What one request takes, with its share of a batch. */
  readonly perRequestMs: number;
}

export interface Queue {
  /** Jobs whose callers wait, running ones included. */
  readonly jobs: number;
  /** Most jobs that may wait for a turn. */
  readonly maxWaiting: number;
}

/** The refusal of a job that finds no place or cannot be answered in time; an idle runner takes any job. */
export function refusalOf(lanes: readonly Lane[], queue: Queue, timeoutMs: number): Failure | undefined {
  if (lanes.some(({ busy }) => busy === 0)) return undefined;
  const waitMs = lanes.length === 0 ? 0 : Math.min(...lanes.map((lane) => lane.waitMs));
  if (queue.jobs - lanes.length >= queue.maxWaiting)
    return overloaded(`${queue.maxWaiting} requests wait for this version already`, waitMs);
  const finishMs = Math.min(...lanes.map((lane) => lane.waitMs + lane.perRequestMs));
  if (lanes.length === 0 || finishMs <= timeoutMs) return undefined;
  return overloaded(
    `The answer would take about ${Math.ceil(finishMs)} ms, and the request has ${Math.floor(timeoutMs)} ms left`,
    waitMs,
  );
}

const overloaded = (what: string, waitMs: number): Failure => {
  const retryAfterS = Math.max(1, Math.ceil(waitMs / 1_000));
  return { ...failure('OVERLOADED', `${what}. Try again in ${retryAfterS} s.`), retryAfterS };
};
