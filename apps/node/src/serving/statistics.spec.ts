import { describe, expect, it } from 'vitest';
import { modelTable } from './model-table.js';
import type { ModelTable, ServedVersion } from './model-table.js';
import { failure } from './outcome.js';
import type { Outcome } from './outcome.js';
import { Statistics, VersionStatistics } from './statistics.js';

const result = (rows: number, batchRows: number): Outcome => ({
  kind: 'result',
  body: Buffer.alloc(0),
  headerLength: undefined,
  timing: {
    rows,
    batchRows,
    items: rows,
    computeUs: 360,
    queueUs: 10,
    inputUs: 20,
    inferUs: 300,
    outputUs: 40,
  },
});
const duration = (count: number, ns: number) => ({ count, ns });
const plain = (value: object): unknown => JSON.parse(JSON.stringify(value));
const served = (model: string, version: number): ServedVersion => ({
  model,
  version,
  configRevision: 1,
  state: 'READY',
  signature: { inputs: [], outputs: [] },
  defaultTimeoutMs: 1,
  batching: { maxRows: 0, maxDelayUs: 0 },
  instances: 1,
  pool: { submit: () => undefined, inFlight: 0, residentBytes: 77 },
});

describe('VersionStatistics', () => {
  it('counts rows, executions and where the time went', () => {
    const statistics = new VersionStatistics();
    statistics.add(result(1, 3), 400, 1_000);
    statistics.add(result(2, 0), 500, 2_000);
    statistics.add(failure('RUNNER_FAILED', 'no'), 50, 3_000);
    expect(plain(statistics.toJson())).toEqual({
      last_inference: 2_000,
      inference_count: 3,
      execution_count: 1,
      inference_stats: {
        success: duration(2, 900_000),
        fail: duration(1, 50_000),
        queue: duration(2, 20_000),
        compute_input: duration(2, 40_000),
        compute_infer: duration(2, 600_000),
        compute_output: duration(2, 80_000),
        cache_hit: duration(0, 0),
        cache_miss: duration(0, 0),
      },
      response_stats: {},
      batch_stats: [
        {
          batch_size: 3,
          compute_input: duration(1, 60_000),
          compute_infer: duration(1, 300_000),
          compute_output: duration(1, 120_000),
        },
      ],
    });
  });

  it('counts each piece of a request that was cut', () => {
    const statistics = new VersionStatistics();
    statistics.add(result(10, 4), 400, 1_000);
    expect(plain(statistics.toJson())).toMatchObject({
      inference_count: 10,
      execution_count: 3,
      inference_stats: { success: duration(1, 400_000), compute_infer: duration(1, 300_000) },
      batch_stats: [
        { batch_size: 2, compute_input: duration(1, 4_000), compute_infer: duration(1, 60_000) },
        { batch_size: 4, compute_input: duration(2, 16_000), compute_infer: duration(2, 240_000) },
      ],
    });
  });

  it('lists batch sizes in ascending order', () => {
    const statistics = new VersionStatistics();
    for (const rows of [4, 1, 2, 1]) statistics.add(result(rows, rows), 1, 1);
    expect(plain(statistics.toJson())).toMatchObject({
      execution_count: 4,
      batch_stats: [{ batch_size: 1 }, { batch_size: 2 }, { batch_size: 4 }],
    });
  });
});

describe('Statistics', () => {
  it('keeps one row per version, whatever its config revision', () => {
    const statistics = new Statistics(() => modelTable([served('m', 1)], []));
    statistics.of('m', 1).add(result(1, 1), 1, 5);
    const [row] = statistics.rows([{ ...served('m', 1), configRevision: 2 }]);
    expect(row).toMatchObject({
      name: 'm',
      version: '1',
      inference_count: 1,
      memory_usage: [{ type: 'CPU', id: 0, byte_size: 77 }],
    });
  });

  it('forgets what the node no longer has, in the long run', () => {
    const held = { model: 'kept', version: 1, state: 'READY', reason: null } as const;
    const table: ModelTable = modelTable([], [held]);
    const statistics = new Statistics(() => table);
    const kept = statistics.of('kept', 1);
    const first = statistics.of('gone', 1);
    for (let version = 2; version <= 1_500; version += 1) statistics.of('gone', version);
    expect(statistics.of('kept', 1)).toBe(kept);
    expect(statistics.of('gone', 1)).not.toBe(first);
  });
});
