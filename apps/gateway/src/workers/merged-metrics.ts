/**
 * The metrics of all workers as those of one gateway. What a dead worker had counted stays in the sums, as far as it was ever read:
 * a sum that went down would look like a new start of them all.
 */
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import { z } from 'zod';

/** A metric as prom-client puts it into JSON, as far as it is looked at here. */
const Metric = z.looseObject({ name: z.string(), type: z.string(), aggregator: z.string() });
export const Metrics = z.array(Metric);
export type Metrics = z.infer<typeof Metrics>;

/** Only what counts up outlives its worker. */
const counting: ReadonlySet<string> = new Set(['counter', 'histogram']);

/** The lag that some worker has is the one to know of; prom-client would show their mean. */
const worstOf = (metrics: Metrics): Metrics =>
  metrics.map((metric) =>
    metric.name.startsWith('nodejs_eventloop_lag') ? { ...metric, aggregator: 'max' } : metric,
  );

export class MergedMetrics {
  private readonly last = new Map<number, Metrics>();
  private past: readonly Metrics[] = [];
  private readonly own = new Registry();

  constructor(state: { readonly workers: () => number; readonly restarts: () => number }) {
    const workers: Gauge = new Gauge({
      name: 'sluice_gateway_workers',
      help: 'Worker processes that answer',
      registers: [this.own],
      collect: () => workers.set(state.workers()),
    });
    const restarts: Counter = new Counter({
      name: 'sluice_gateway_worker_restarts_total',
      help: 'Workers that were started in place of one that died',
      registers: [this.own],
      collect() {
        restarts.reset();
        restarts.inc(state.restarts());
      },
    });
  }

  /** Takes in what the worker of a slot said. */
  read(slot: number, metrics: Metrics): void {
    this.last.set(slot, worstOf(metrics));
  }

  /** The worker of a slot is gone. */
  async retire(slot: number): Promise<void> {
    const last = this.last.get(slot)?.filter(({ type }) => counting.has(type));
    if (!last) return;
    this.last.delete(slot);
    const sum = await AggregatorRegistry.aggregate([...this.past, last]).getMetricsAsJSON();
    this.past = [Metrics.parse(sum)];
  }

  async text(): Promise<string> {
    const merged = AggregatorRegistry.aggregate([...this.last.values(), ...this.past]);
    return `${await merged.metrics()}\n${await this.own.metrics()}`;
  }
}
