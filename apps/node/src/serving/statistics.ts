/**
 * Triton's statistics: counters of each version since the node began, kept through its config revisions. It counts what
 * the outcomes say and asks nobody.
 */
import type { ModelTable, ServedVersion } from './model-table.js';
import type { Outcome, Timing } from './outcome.js';

class Duration {
  count = 0;
  private us = 0;

  add(us: number): void {
    this.count += 1;
    this.us += us;
  }

  toJSON(): { count: number; ns: number } {
    return { count: this.count, ns: Math.round(this.us * 1_000) };
  }
}

interface BatchRow {
  readonly compute_input: Duration;
  readonly compute_infer: Duration;
  readonly compute_output: Duration;
}
const batchRow = (): BatchRow => ({
  compute_input: new Duration(),
  compute_infer: new Duration(),
  compute_output: new Duration(),
});

const never = { count: 0, ns: 0 };

export class VersionStatistics {
  private lastMs = 0;
  private rows = 0;
  private executions = 0;
  private readonly success = new Duration();
  private readonly fail = new Duration();
  private readonly queue = new Duration();
  private readonly computeInput = new Duration();
  private readonly computeInfer = new Duration();
  private readonly computeOutput = new Duration();
  private readonly batches = new Map<number, BatchRow>();

  /** One request that ended; `us` is all the time that the node had it. */
  add(outcome: Outcome, us: number, nowMs: number): void {
    if (outcome.kind === 'failure') {
      this.addFailure(us);
      return;
    }
    const { timing } = outcome;
    this.lastMs = nowMs;
    this.rows += timing.rows;
    this.success.add(us);
    this.queue.add(timing.queueUs);
    this.computeInput.add(timing.inputUs);
    this.computeInfer.add(timing.inferUs);
    this.computeOutput.add(timing.outputUs);
    if (timing.batchRows > 0) this.addExecutions(timing);
  }

  /** One that no runner answered: it was turned away before, or its caller went away. */
  addFailure(us: number): void {
    this.fail.add(us);
  }

  /**
   * An execution is told by its first request alone, whose decoding and encoding stand for those of the others. A request of more
   * rows than the execution had was cut: there were several, the last perhaps of fewer rows.
   */
  private addExecutions({ rows, batchRows, inputUs, inferUs, outputUs }: Timing): void {
    const all = Math.max(rows, batchRows);
    for (let left = all; left > 0; left -= batchRows) {
      const size = Math.min(left, batchRows);
      this.executions += 1;
      let batch = this.batches.get(size);
      if (!batch) this.batches.set(size, (batch = batchRow()));
      batch.compute_input.add((inputUs * size) / rows);
      batch.compute_infer.add((inferUs * size) / all);
      batch.compute_output.add((outputUs * size) / rows);
    }
  }

  toJson(): object {
    const batches = [...this.batches].sort(([a], [b]) => a - b);
    return {
      last_inference: this.lastMs,
      inference_count: this.rows,
      execution_count: this.executions,
      inference_stats: {
        success: this.success,
        fail: this.fail,
        queue: this.queue,
        compute_input: this.computeInput,
        compute_infer: this.computeInfer,
        compute_output: this.computeOutput,
        cache_hit: never,
        cache_miss: never,
      },
      response_stats: {},
      batch_stats: batches.map(([batch_size, row]) => ({ batch_size, ...row })),
    };
  }
}

/** From this many versions on, those that the node no longer has are forgotten. */
const maxForgotten = 1_000;

export class Statistics {
  private readonly versions = new Map<string, Map<number, VersionStatistics>>();
  private size = 0;

  constructor(private readonly table: () => ModelTable) {}

  of(model: string, version: number): VersionStatistics {
    return this.versions.get(model)?.get(version) ?? this.begin(model, version);
  }

  /** The `model_stats` rows of these versions. */
  rows(versions: readonly ServedVersion[]): object[] {
    return versions.map(({ model, version, pool }) => ({
      name: model,
      version: String(version),
      ...this.of(model, version).toJson(),
      memory_usage: [{ type: 'CPU', id: 0, byte_size: pool.residentBytes }],
    }));
  }

  private begin(model: string, version: number): VersionStatistics {
    if (this.size >= maxForgotten) this.forget();
    const statistics = new VersionStatistics();
    const ofModel = this.versions.get(model) ?? new Map<number, VersionStatistics>();
    this.versions.set(model, ofModel.set(version, statistics));
    this.size += 1;
    return statistics;
  }

  private forget(): void {
    const table = this.table();
    this.size = 0;
    for (const [model, versions] of this.versions) {
      for (const version of versions.keys()) if (!table.holds(model, version)) versions.delete(version);
      if (versions.size === 0) this.versions.delete(model);
      this.size += versions.size;
    }
  }
}
