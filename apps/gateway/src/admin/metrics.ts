/** Prometheus metrics, made from the data plane's counters when they are asked for. Nothing here runs on the request path. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Core } from '../data-plane/core.js';
import { createShadowMetrics } from './shadow-metrics.js';
import {
  Latency,
  latencyBoundsMs,
  maxClients,
  maxNamedEndpoints,
  maxRows,
  others,
} from '../data-plane/traffic-counters.js';
import type { Outcomes } from '../data-plane/traffic-counters.js';
import { addGauge, addTotal } from './collectors.js';
import { addQuotaMetrics } from './quota-metrics.js';

interface Row {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly Row[];
}

function latencyRows(name: string, endpoint: string, latency: Latency): Row[] {
  let total = 0;
  const buckets = [...latency.counts].map((count, slot): Row => {
    const boundMs = latencyBoundsMs[slot];
    total += count;
    const le = boundMs === undefined ? '+Inf' : boundMs / 1_000;
    return { metricName: `${name}_bucket`, labels: { endpoint, le }, value: total };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: { endpoint }, value: latency.sumMs / 1_000 },
    { metricName: `${name}_count`, labels: { endpoint }, value: total },
  ];
}

/** The histograms of an endpoint, by the part of its counters that they show. */
const durations = {
  latency: [
    'sluice_gateway_request_duration_seconds',
    'Requests that reached a version, until the answer was over',
  ],
  gateway: [
    'sluice_gateway_before_node_seconds',
    'From arrival until sent to a node, with the reading of the body',
  ],
  node: ['sluice_gateway_node_seconds', 'From sent to a node until its answer began, with retries'],
  queue: ['sluice_gateway_queue_seconds', 'Wait for a runner, as the node measured it'],
  compute: ['sluice_gateway_compute_seconds', 'Decoding, running and encoding, as the node measured it'],
} as const;

/** A histogram whose values are kept elsewhere. */
class LatencyHistogram extends Histogram {
  constructor(
    private readonly core: Core,
    private readonly part: keyof typeof durations,
  ) {
    const [name, help] = durations[part];
    super({ name, help, labelNames: ['endpoint'], registers: [] });
  }

  /** What the registry asks a metric for when it writes JSON. */
  override get(): Promise<never> {
    // Its types have numbers where it has words.
    return this.getForPromString() as Promise<never>;
  }

  /** And when it writes text; prom-client's types leave it out. */
  getForPromString(): Promise<Metric> {
    const [name, help] = durations[this.part];
    const { endpoints, named } = this.core.counters;
    const values = [...named].flatMap(([endpoint, counters]) =>
      latencyRows(name, endpoint, counters[this.part]),
    );
    const rest = new Latency();
    if (named.size === maxNamedEndpoints)
      for (const [endpoint, counters] of endpoints) if (!named.has(endpoint)) rest.add(counters[this.part]);
    if (rest.sumMs > 0) values.push(...latencyRows(name, others, rest));
    return Promise.resolve({ name, help, type: 'histogram', aggregator: 'sum', values });
  }
}

function addRequestCounter(core: Core, registry: Registry): void {
  const counter = new Counter({
    name: 'sluice_gateway_requests_total',
    help: `Inference requests by outcome: OK or an error code. What exceeds ${maxRows} rows is counted as ${others}`,
    labelNames: ['endpoint', 'version', 'team', 'code'],
    registers: [registry],
    collect() {
      counter.reset();
      const add = (endpoint: string, version: number, team: string, outcomes: Outcomes): void => {
        const labels = { endpoint, version: version === 0 ? '' : String(version), team };
        for (const [code, count] of outcomes) counter.inc({ ...labels, code }, count);
      };
      add('', 0, '', core.counters.unrouted);
      add(others, 0, others, core.counters.overflow);
      for (const [name, { versions }] of core.counters.named)
        for (const [version, teams] of versions)
          for (const [team, outcomes] of teams) add(name, version, team, outcomes);
    },
  });
}

function addClientCounter(core: Core, registry: Registry): void {
  const counter = new Counter({
    name: 'sluice_gateway_client_requests_total',
    help: `Inference requests by client and outcome; clients after the first ${maxClients} are counted together`,
    labelNames: ['client', 'code'],
    registers: [registry],
    collect() {
      counter.reset();
      for (const [client, outcomes] of core.counters.clients)
        for (const [code, count] of outcomes) counter.inc({ client, code }, count);
    },
  });
}

/** Parts of the traffic whose share goes to others, because no replica is READY. */
function addGated(core: Core, registry: Registry): void {
  const gauge: Gauge<'endpoint' | 'version'> = new Gauge({
    name: 'sluice_gateway_gated',
    help: '1 for each version or alias in the traffic that gets nothing, because no replica is READY',
    labelNames: ['endpoint', 'version'],
    aggregator: 'max',
    registers: [registry],
    collect() {
      gauge.reset();
      for (const { name, routes } of core.table?.endpoints.values() ?? [])
        for (const ref of routes.gated) gauge.set({ endpoint: name, version: String(ref) }, 1);
    },
  });
}

/** Whether this gateway sends to servers that are not Sluice's. */
function addExternal(core: Core, registry: Registry): void {
  const gauge: Gauge<'node' | 'path'> = new Gauge({
    name: 'sluice_gateway_external_ready',
    help: '1 for each version at an external node that is ready, else 0',
    labelNames: ['node', 'path'],
    aggregator: 'min',
    registers: [registry],
    collect() {
      gauge.reset();
      for (const { nodeId: node, path, external } of core.upstreams.all())
        if (external) gauge.set({ node, path }, external.isReady ? 1 : 0);
    },
  });
}

function addGauges(core: Core, registry: Registry): void {
  addGauge(registry, 'sluice_gateway_in_flight', 'Requests under way', () => core.inFlight);
  addGauge(
    registry,
    'sluice_gateway_waiting',
    'Requests that wait for room at a node',
    () => core.upstreams.waiting,
  );
  addGauge(
    registry,
    'sluice_gateway_snapshot_revision',
    'Revision of the routing table; -1 without one',
    () => core.table?.snapshot.revision ?? -1,
    'min',
  );
  addGauge(
    registry,
    'sluice_gateway_snapshot_age_seconds',
    'Since the registry was last heard; -1 if never',
    () => (core.freshAtMs === 0 ? -1 : (Date.now() - core.freshAtMs) / 1_000),
    'max',
  );
}

/** All metrics of one gateway. */
export function createMetrics(core: Core): Registry {
  const registry = new Registry();
  const { counters } = core;
  collectDefaultMetrics({ register: registry });
  addRequestCounter(core, registry);
  addClientCounter(core, registry);
  addQuotaMetrics(core, registry);
  for (const part of ['latency', 'gateway', 'node', 'queue', 'compute'] as const)
    registry.registerMetric(new LatencyHistogram(core, part));
  addTotal(
    registry,
    'sluice_gateway_access_log_dropped_total',
    'Lines that the access log had no room for',
    () => core.accessLog?.dropped ?? 0,
  );
  addTotal(registry, 'sluice_gateway_retries_total', 'Requests sent a second time', () => counters.retries);
  addTotal(
    registry,
    'sluice_gateway_hedges_total',
    'Requests for which a second replica was asked because the first was slow',
    () => counters.hedges,
  );
  core.shadows.onResult = createShadowMetrics(registry);
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
  addGauges(core, registry);
  addGated(core, registry);
  addExternal(core, registry);
  return registry;
}
