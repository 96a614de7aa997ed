/** Which requests are logged, and what is told of them. Nothing of a caller's headers is told but ids that were checked. */
import type { Exchange } from './exchange.js';
import { isServerFault } from './outcome-code.js';
import type { OutcomeCode } from './outcome-code.js';

/** One line of the log. */
export interface AccessEntry {
  readonly request_id: string;
  readonly trace_id?: string;
  readonly client?: string;
  readonly endpoint: string;
  readonly operation: string;
  readonly version?: number;
  readonly node?: string;
  readonly status: number;
  readonly code: OutcomeCode;
  readonly duration_ms: number;
  readonly node_ms?: number;
}

/** W3C Trace Context: version, trace id, parent id, flags. */
const traceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000;

function entryOf(exchange: Exchange, code: OutcomeCode, endedMs: number): AccessEntry {
  const { req, res, route, identity, version, replica, arrivedMs, sentMs, answeredMs } = exchange;
  const trace = req.headers['traceparent'];
  const traceId = typeof trace === 'string' ? traceparent.exec(trace)?.[1] : undefined;
  return {
    request_id: exchange.requestId,
    ...(traceId === undefined ? {} : { trace_id: traceId }),
    ...(identity ? { client: identity.client } : {}),
    endpoint: route.endpoint,
    operation: route.operation,
    ...(version ? { version: version.version } : {}),
    ...(replica ? { node: replica.nodeId } : {}),
    status: res.headersSent ? res.statusCode : 0,
    code,
    duration_ms: rounded(endedMs - arrivedMs),
    ...(answeredMs > 0 ? { node_ms: rounded(answeredMs - sentMs) } : {}),
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
