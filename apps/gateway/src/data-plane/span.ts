/** An exchange as a span, for those few that are sampled. */
import type { FinishedSpan } from '#platform/spans';
import type { Exchange } from './exchange.js';
import { isServerFault } from './outcome-code.js';
import type { OutcomeCode } from './outcome-code.js';

export function spanOf(exchange: Exchange, code: OutcomeCode, endMs: number): FinishedSpan {
  const { req, res, route, identity, version, replica, arrivedMs, sentMs, answeredMs } = exchange;
  const isNamed = exchange.endpoint !== undefined;
  return {
    // Names of endpoints that do not exist would be too many.
    name: isNamed ? `${route.operation} ${route.endpoint}` : route.operation,
    kind: 'server',
    trace: exchange.trace,
    startMs: arrivedMs,
    endMs,
    error: isServerFault(code) ? code : undefined,
    attributes: {
      'http.request.method': req.method,
      'http.response.status_code': res.headersSent ? res.statusCode : undefined,
      'sluice.request_id': exchange.requestId,
      'sluice.code': code,
      'sluice.endpoint': isNamed ? route.endpoint : undefined,
      'sluice.version': version?.version,
      'sluice.client': identity?.client,
      'sluice.team': identity?.team,
      'sluice.node': replica?.nodeId,
      'sluice.before_node_ms': sentMs > 0 ? sentMs - arrivedMs : undefined,
      'sluice.node_ms': answeredMs > 0 ? answeredMs - sentMs : undefined,
      'sluice.queue_ms': exchange.queueMs < 0 ? undefined : exchange.queueMs,
      'sluice.compute_ms': exchange.queueMs < 0 ? undefined : exchange.computeMs,
    },
  };
}
