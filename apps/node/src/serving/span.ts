/** An inference as a span, below the gateway's. */
import type { IncomingMessage } from 'node:http';
import type { SpanSink } from '#platform/spans';
import { beginTrace } from '#platform/trace-context';
import type { ServedVersion } from './model-table.js';
import type { Outcome } from './outcome.js';
import { requestIdOf } from './request-names.js';

export function noteSpan(
  spans: SpanSink,
  req: IncomingMessage,
  { model, version }: Pick<ServedVersion, 'model' | 'version'>,
  startMs: number,
  outcome: Outcome,
): void {
  const trace = beginTrace(req.headers['traceparent'], spans.chooses());
  if (!trace.isSampled) return;
  const timing = outcome.kind === 'result' ? outcome.timing : undefined;
  spans.write({
    name: `run ${model}`,
    kind: 'server',
    trace,
    startMs,
    endMs: performance.now(),
    error: outcome.kind === 'failure' && outcome.code.startsWith('RUNNER_') ? outcome.code : undefined,
    attributes: {
      'sluice.request_id': requestIdOf(req),
      'sluice.model': model,
      'sluice.version': version,
      'sluice.code': outcome.kind === 'failure' ? outcome.code : 'OK',
      'sluice.rows': timing?.rows,
      'sluice.queue_us': timing?.queueUs,
      'sluice.input_us': timing?.inputUs,
      'sluice.infer_us': timing?.inferUs,
      'sluice.output_us': timing?.outputUs,
    },
  });
}
