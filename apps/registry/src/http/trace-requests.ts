/** Spans of the registry's requests: below the gateway's when the call came through one. */
import type { FastifyInstance } from 'fastify';
import type { SpanSink } from '#platform/spans';
import { beginTrace } from '#platform/trace-context';

/** Must run before the routes are registered. What is left is sent when the server closes. */
export function traceRequests(fastify: FastifyInstance, spans: SpanSink): void {
  fastify.addHook('onClose', () => spans.close());
  fastify.addHook('onRequest', (request, reply, done) => {
    const trace = beginTrace(request.headers['traceparent'], spans.chooses());
    if (trace.isSampled) {
      const startMs = performance.now();
      reply.raw.once('close', () => {
        const { statusCode } = reply.raw;
        const route = request.routeOptions.url ?? 'no route';
        spans.write({
          name: `${request.method} ${route}`,
          kind: 'server',
          trace,
          startMs,
          endMs: performance.now(),
          error: statusCode >= 500 ? String(statusCode) : undefined,
          attributes: {
            'http.request.method': request.method,
            'http.route': route,
            'http.response.status_code': statusCode,
            'sluice.request_id': request.id,
          },
        });
      });
    }
    done();
  });
}
