/** Metrics of one number each, read when they are asked for. */
import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

export function addTotal(registry: Registry, name: string, help: string, read: () => number): void {
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

/** @param aggregator what stands for all workers together */
export function addGauge(
  registry: Registry,
  name: string,
  help: string,
  read: () => number,
  aggregator: 'sum' | 'min' | 'max' = 'sum',
): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    aggregator,
    registers: [registry],
    collect: () => gauge.set(read()),
  });
}
