/** Which requests are logged, and what is told of them. Nothing of a caller's headers is told but ids that were checked. */
import { sizeOf } from './body.js';
import type { Exchange } from './exchange.js';
import { isServerFault } from './outcome-code.js';
import type { OutcomeCode } from './outcome-code.js';

/** One line of the log. */
export interface AccessEntry {
  readonly request_id: string;
  readonly trace_id: string;
  readonly client?: string;
  readonly team?: string;
  readonly endpoint: string;
  readonly operation: string;
  readonly version?: number;
  readonly node?: string;
  readonly status: number;
  readonly code: OutcomeCode;
  readonly duration_ms: number;
  readonly request_bytes: number;
  readonly response_bytes: number;
  /** From sent to the node until its answer began; queue and compute are the node's own account of it. */
  readonly node_ms?: number;
  readonly queue_ms?: number;
  readonly compute_ms?: number;
}

const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000;

function entryOf(exchange: Exchange, code: OutcomeCode, endedMs: number): AccessEntry {
  const { res, route, identity, version, replica, arrivedMs, sentMs, answeredMs } = exchange;
  return {
    request_id: exchange.requestId,
    trace_id: exchange.trace.traceId,
    ...(identity ? { client: identity.client } : {}),
    ...(identity?.team === undefined ? {} : { team: identity.team }),
    endpoint: route.endpoint,
    operation: route.operation,
    ...(version ? { version: version.version } : {}),
    ...(replica ? { node: replica.nodeId } : {}),
    status: res.headersSent ? res.statusCode : 0,
    code,
    duration_ms: rounded(endedMs - arrivedMs),
    request_bytes: sizeOf(exchange.body),
    response_bytes: exchange.answerBytes,
    ...(answeredMs > 0 ? { node_ms: rounded(answeredMs - sentMs) } : {}),
    ...(exchange.queueMs < 0
      ? {}
      : { queue_ms: rounded(exchange.queueMs), compute_ms: rounded(exchange.computeMs) }),
  };
}

/** A sample of the requests, and every failure of gateway or node. Entries are made only for what is written. */
export class AccessLog {
  /** Lines that were lost because the reader of the log is too slow. */
  dropped = 0;

  constructor(
    /** Of the requests that did not fail, between 0 and 1. */
    private readonly share: number,
    private readonly random: () => number,
    private readonly write: (entry: AccessEntry) => void,
  ) {}

  note(exchange: Exchange, code: OutcomeCode, endedMs: number): void {
    if (this.random() < this.share || isServerFault(code)) this.write(entryOf(exchange, code, endedMs));
  }
}
