/** What happened, counted. Called once for each exchange, when its response is over or its caller is gone. */
import { errorTable } from '#contracts/errors';
import type { ErrorCode } from '#contracts/errors';
import type { Exchange } from './exchange.js';
import type { TrafficCounters } from './traffic-counters.js';

/** `OK`, a code of the table, or what the node's status says when it gave no code. */
export type OutcomeCode = ErrorCode | 'OK' | 'CALLER_LEFT' | 'UPSTREAM_4XX' | 'UPSTREAM_5XX';

const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(errorTable, text);

/** The outcome that a node's answer stands for. Codes that we do not know must not become label values. */
export function outcomeOf(status: number, code: string | string[] | undefined): OutcomeCode {
  if (status < 400) return 'OK';
  if (typeof code === 'string' && isErrorCode(code)) return code;
  return status < 500 ? 'UPSTREAM_4XX' : 'UPSTREAM_5XX';
}

export function account(exchange: Exchange, counters: TrafficCounters, endedMs: number): void {
  const left = exchange.outcome === 'OK' && !exchange.res.writableFinished;
  const outcome = left ? 'CALLER_LEFT' : exchange.outcome;
  const endpoint = exchange.endpoint;
  counters.count(endpoint?.counters, exchange.version?.version, outcome);
  if (endpoint && exchange.version) endpoint.counters.latency.observe(endedMs - exchange.arrivedMs);
}
