/** Spans as a collector gets them by OTLP over HTTP from gateway and node, and what happens without one that answers. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseTraceparent } from '#platform/trace-context';
import { identityModel } from '../support/onnx-model.js';
import { NodeUnderTest } from '../support/node.js';
import { startRegistry } from '../support/registry.js';
import {
  TestNode,
  TestRegistry,
  bodyOf,
  cleanUp,
  makeSnapshot,
  makeToken,
  portOf,
  publish,
  startTestGateway,
  until,
} from './gateway-harness.js';

const Value = z.union([
  z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
  z.object({ intValue: z.coerce.number() }).transform(({ intValue }) => intValue),
  z.object({ doubleValue: z.number() }).transform(({ doubleValue }) => doubleValue),
]);
const Attributes = z
  .array(z.object({ key: z.string(), value: Value }))
  .transform((rows) => Object.fromEntries(rows.map(({ key, value }) => [key, value])));
const Span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number(),
  startTimeUnixNano: z.string(),
  endTimeUnixNano: z.string(),
  attributes: Attributes,
  status: z.object({ code: z.number(), message: z.string().optional() }),
});
type Span = z.infer<typeof Span> & { readonly service: unknown };
/** As in opentelemetry-proto, trace/v1, as far as it is looked at. */
const Export = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: Attributes }),
      scopeSpans: z.array(z.object({ spans: z.array(Span) })),
    }),
  ),
});

/** A collector that keeps what it is sent. */
class Collector {
  readonly spans: Span[] = [];
  readonly paths = new Set<string>();
  private constructor(readonly server: Server) {}

  static async start(): Promise<Collector> {
    const collector: Collector = new Collector(
      createServer((req, res) => {
        collector.paths.add(`${req.method} ${req.url} ${req.headers['content-type']}`);
        void bodyOf(req).then((body) => {
          const { resourceSpans } = Export.parse(JSON.parse(body.toString()));
          for (const { resource, scopeSpans } of resourceSpans)
            for (const { spans } of scopeSpans)
              for (const span of spans)
                collector.spans.push({ ...span, service: resource.attributes['service.name'] });
          res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
        });
      }),
    );
    await once(collector.server.listen(0, '127.0.0.1'), 'listening');
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${portOf(this.server)}`;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

let collector: Collector;
beforeAll(async () => void (collector = await Collector.start()));
afterAll(() => collector.stop());
beforeEach(() => void collector.spans.splice(0));

const [traceId, parentId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
const traceparent = (flags: string): string => `00-${traceId}-${parentId}-${flags}`;

describe('a gateway', () => {
  let registry: TestRegistry;
  let node: TestNode;
  let headers: Record<string, string>;

  beforeEach(async () => {
    registry = await TestRegistry.start();
    node = await TestNode.start('one');
    headers = { authorization: `Bearer ${await makeToken(registry.keys, { client: 'shop' })}` };
  });
  afterEach(cleanUp);

  async function start(endpoint: string, share: number) {
    const gateway = await startTestGateway(registry.url, {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_TRACES_SAMPLER_ARG: share,
    });
    await publish(registry, gateway, makeSnapshot({ keys: registry.keys, versions: { 1: [node.replica] } }));
    const call = async (path: string, extra: Record<string, string> = {}): Promise<number> => {
      const init = { method: 'POST', body: '{}', headers: { ...headers, ...extra } };
      const response = await fetch(gateway.url + path, init);
      await response.arrayBuffer();
      return response.status;
    };
    return { gateway, call };
  }

  it('sends a span below the caller’s, and the node gets one below the gateway’s', async () => {
    const { call } = await start(collector.url, 0);
    await call('/v2/models/iris/infer', { traceparent: traceparent('01'), 'x-request-id': 'mine' });
    await call('/api/v1/models', { traceparent: traceparent('01') });
    await until(() => collector.spans.length === 2, 'two spans');
    const [span, passed] = collector.spans;
    expect(span).toMatchObject({
      service: 'sluice-gateway',
      traceId,
      parentSpanId: parentId,
      name: 'infer iris',
      kind: 2,
      attributes: {
        'http.response.status_code': 200,
        'sluice.code': 'OK',
        'sluice.client': 'shop',
        'sluice.version': 1,
        'sluice.request_id': 'mine',
      },
    });
    const atNode = parseTraceparent(node.seen[0]?.headers['traceparent']);
    expect(atNode).toEqual({ traceId, parentId: span?.spanId, isSampled: true });
    const tookMs = (Number(span?.endTimeUnixNano) - Number(span?.startTimeUnixNano)) / 1e6;
    expect(tookMs).toBeGreaterThan(0);
    expect(Math.abs(Date.now() - Number(span?.endTimeUnixNano) / 1e6)).toBeLessThan(60_000);
    expect(passed).toMatchObject({ name: 'pass through POST', traceId, parentSpanId: parentId });
    expect([...collector.paths]).toEqual(['POST /v1/traces application/json']);
  });

  it('of traces that begin here it samples a share, and those that callers do not sample it leaves out', async () => {
    const none = await start(collector.url, 0);
    await none.call('/v2/models/iris/infer');
    await none.call('/v2/models/iris/infer', { traceparent: traceparent('00') });
    await none.gateway.close();
    const all = await start(collector.url, 1);
    await all.call('/v2/models/iris/infer', { traceparent: traceparent('00') });
    node.respond = (_req, res) => res.writeHead(500).end();
    await all.call('/v2/models/iris/infer');
    await all.gateway.close();
    expect(collector.spans).toMatchObject([{ status: { code: 2, message: 'UPSTREAM_5XX' } }]);
    expect(collector.spans[0]?.parentSpanId).toBeUndefined();
  });

  it('serves and ends in time although nobody takes its spans', async () => {
    const silent = createServer(() => undefined);
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const { gateway, call } = await start(`http://127.0.0.1:${portOf(silent)}`, 1);
    const statuses = await Promise.all(Array.from({ length: 200 }, () => call('/v2/models/iris/infer')));
    expect(new Set(statuses)).toEqual(new Set([200]));
    const startedMs = performance.now();
    await gateway.close();
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    silent.close();
    silent.closeAllConnections();
  });
});

it('a node sends where its time went', async () => {
  const node = await NodeUnderTest.start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  await node.load({ model: 'same', files: { 'model.onnx': identityModel('FP32') } });
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }];
  const answer = await node.infer('same', inputs, { traceparent: traceparent('01'), 'x-request-id': 'mine' });
  expect(answer.headers.get('x-sluice-timing')).toMatch(/^\d+,\d+,\d+,\d+$/);
  await until(() => collector.spans.length === 1, 'a span');
  expect(collector.spans[0]).toMatchObject({
    service: 'sluice-node',
    name: 'run same',
    traceId,
    parentSpanId: parentId,
    attributes: { 'sluice.code': 'OK', 'sluice.rows': 1, 'sluice.request_id': 'mine' },
  });
  expect(collector.spans[0]?.attributes).toHaveProperty(['sluice.infer_us']);
  await node.close();
});

it('a registry sends its part, and leaves out what nobody sampled', async () => {
  const registry = await startRegistry({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_TRACES_SAMPLER_ARG: '0',
  });
  const headers = { traceparent: traceparent('01'), 'x-request-id': 'mine' };
  expect((await registry.send('GET', '/api/v1/models/none', { headers })).status).toBe(401);
  await registry.close();
  expect(collector.spans).toMatchObject([
    {
      service: 'sluice-registry',
      name: 'GET /api/v1/models/:model',
      traceId,
      parentSpanId: parentId,
      attributes: { 'http.response.status_code': 401, 'sluice.request_id': 'mine' },
    },
  ]);
});
