/** Prometheus metrics, made from the data plane's counters when they are asked for. Nothing here runs on the request path. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Core } from '../data-plane/core.js';
import { latencyBoundsMs } from '../data-plane/traffic-counters.js';
import type { Latency, Outcomes } from '../data-plane/traffic-counters.js';

const durationName = 'sluice_gateway_request_duration_seconds';

interface Row {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'histogram';
  readonly values: readonly Row[];
}

function latencyRows(endpoint: string, latency: Latency): Row[] {
  let total = 0;
  const buckets = [...latency.counts].map((count, slot): Row => {
    const boundMs = latencyBoundsMs[slot];
    total += count;
    const le = boundMs === undefined ? '+Inf' : boundMs / 1_000;
    return { metricName: `${durationName}_bucket`, labels: { endpoint, le }, value: total };
  });
  return [
    ...buckets,
    { metricName: `${durationName}_sum`, labels: { endpoint }, value: latency.sumMs / 1_000 },
    { metricName: `${durationName}_count`, labels: { endpoint }, value: total },
  ];
}

const durationHelp = 'Requests that reached a version, until the answer was over';

/** A histogram whose values are kept elsewhere. */
class LatencyHistogram extends Histogram {
  constructor(private readonly core: Core) {
    super({ name: durationName, help: durationHelp, labelNames: ['endpoint'], registers: [] });
  }

  /** What the registry asks a metric for; prom-client's types leave it out. */
  getForPromString(): Promise<Metric> {
    const values = [...this.core.counters.endpoints].flatMap(([name, { latency }]) =>
      latencyRows(name, latency),
    );
    return Promise.resolve({
      name: durationName,
      help: durationHelp,
      type: 'histogram',
      values,
    });
  }
}

function addRequestCounter(core: Core, registry: Registry): void {
  const counter = new Counter({
    name: 'sluice_gateway_requests_total',
    help: 'Inference requests by outcome; OK or an error code',
    labelNames: ['endpoint', 'version', 'code'],
    registers: [registry],
    collect() {
      counter.reset();
      const add = (endpoint: string, version: string, outcomes: Outcomes): void => {
        for (const [code, count] of outcomes) counter.inc({ endpoint, version, code }, count);
      };
      add('', '', core.counters.unrouted);
      for (const [name, endpoint] of core.counters.endpoints) {
        add(name, '', endpoint.unrouted);
        for (const [version, outcomes] of endpoint.versions) add(name, String(version), outcomes);
      }
    },
  });
}

function addTotal(registry: Registry, name: string, help: string, read: () => number): void {
  const counter = new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      counter.reset();
      counter.inc(read());
    },
  });
}

function addGauge(registry: Registry, name: string, help: string, read: () => number): void {
  const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(read()) });
}

/** All metrics of one gateway. */
export function createMetrics(core: Core): Registry {
  const registry = new Registry();
  const { counters } = core;
  collectDefaultMetrics({ register: registry });
  addRequestCounter(core, registry);
  registry.registerMetric(new LatencyHistogram(core));
  addTotal(registry, 'sluice_gateway_retries_total', 'Requests sent a second time', () => counters.retries);
  addTotal(
    registry,
    'sluice_gateway_ejections_total',
    'Replicas left out after failures',
    () => counters.ejections,
  );
  addTotal(
    registry,
    'sluice_gateway_passed_through_total',
    'Requests handed to the registry',
    () => counters.passedThrough,
  );
  addGauge(registry, 'sluice_gateway_in_flight', 'Requests under way', () => core.inFlight);
  addGauge(
    registry,
    'sluice_gateway_snapshot_revision',
    'Revision of the routing table; -1 without one',
    () => core.table?.snapshot.revision ?? -1,
  );
  addGauge(
    registry,
    'sluice_gateway_snapshot_age_seconds',
    'Since the registry was last heard; -1 if never',
    () => (core.freshAtMs === 0 ? -1 : (Date.now() - core.freshAtMs) / 1_000),
  );
  return registry;
}
