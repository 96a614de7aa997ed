/** What happened, counted and, if the sample falls on it, logged. Called once for each exchange, when its response is over or its caller is gone. */
import type { SpanSink } from '#platform/spans';
import { noCosts } from '#quota/costs';
import { costsOf, settle } from './admit.js';
import { sizeOf } from './body.js';
import type { Exchange } from './exchange.js';
import { isServerFault } from './outcome-code.js';
import type { OutcomeCode } from './outcome-code.js';
import { isPrediction } from './routes.js';
import { spanOf } from './span.js';
import type { AccessLog } from './access-log.js';
import type { TrafficCounters } from './traffic-counters.js';
import type { UsageMeter } from './usage-meter.js';

/** Whether quota is given back: no node got the request, or one failed. A deadline that passed has cost the node its work. */
const isFree = (exchange: Exchange, outcome: OutcomeCode): boolean =>
  exchange.sentMs === 0 || (isServerFault(outcome) && outcome !== 'DEADLINE_EXCEEDED');

/** Who wants to know. */
interface Books {
  readonly counters: TrafficCounters;
  readonly usage: UsageMeter;
  readonly accessLog: AccessLog | undefined;
  readonly spans: SpanSink | undefined;
}

export function account(
  exchange: Exchange,
  { counters, usage, accessLog, spans }: Books,
  endedMs: number,
): void {
  const left = exchange.outcome === 'OK' && !exchange.res.writableFinished;
  const outcome = left ? 'CALLER_LEFT' : exchange.outcome;
  const { endpoint, version, identity, arrivedMs, sentMs, answeredMs } = exchange;
  counters.count(endpoint?.counters, version?.version ?? 0, identity?.team ?? '', outcome);
  if (identity) counters.countClient(identity.client, outcome);
  if (endpoint && version) {
    endpoint.counters.latency.observe(endedMs - arrivedMs);
    if (sentMs > 0) endpoint.counters.gateway.observe(sentMs - arrivedMs);
    if (answeredMs > 0) endpoint.counters.node.observe(answeredMs - sentMs);
    if (exchange.queueMs >= 0) {
      endpoint.counters.queue.observe(exchange.queueMs);
      endpoint.counters.compute.observe(exchange.computeMs);
    }
  }
  if (identity && endpoint && isPrediction(exchange.route.operation)) {
    const used = {
      team: identity.team ?? '',
      client: identity.client,
      endpoint: endpoint.name,
      version: version?.version ?? 0,
      outcome,
    };
    usage.add(used, Date.now(), {
      requests: 1,
      rows: Math.max(0, exchange.rows),
      request_bytes: sizeOf(exchange.body),
      response_bytes: exchange.answerBytes,
      compute_us: Math.max(0, exchange.ownComputeUs),
    });
  }
  settle(exchange, isFree(exchange, outcome) ? noCosts : costsOf(exchange, endedMs));
  accessLog?.note(exchange, outcome, endedMs);
  if (spans && exchange.trace.isSampled) spans.write(spanOf(exchange, outcome, endedMs));
}
