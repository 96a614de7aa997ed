/** What happened, counted. Called once for each exchange, when its response is over or its caller is gone. */
import type { Exchange } from './exchange.js';
import type { TrafficCounters } from './traffic-counters.js';

export function account(exchange: Exchange, counters: TrafficCounters, endedMs: number): void {
  const left = exchange.outcome === 'OK' && !exchange.res.writableFinished;
  const outcome = left ? 'CALLER_LEFT' : exchange.outcome;
  const endpoint = exchange.endpoint;
  counters.count(endpoint?.counters, exchange.version?.version, outcome);
  if (endpoint && exchange.version) endpoint.counters.latency.observe(endedMs - exchange.arrivedMs);
}
