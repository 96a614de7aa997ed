/** Histories of metrics: one run page by page, or one metric of several runs. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { readHistory } from '../runs/run-store.js';
import type { MetricRow } from '../runs/runs.mapper.js';
import { toMetricPoint } from '../runs/runs.mapper.js';
import { decodePageToken, toPage } from '../http/page.js';
import { Key, TextList, runFields, runIdOf, toHex } from './fields.js';
import { operation } from './operation.js';

const PageKey = z.tuple([z.int(), z.int(), z.string()]);
const History = z.object({
  ...runFields,
  metric_key: Key,
  max_results: z.coerce.number().int().min(1).max(25_000).default(25_000),
  page_token: z.string().max(2_048).default(''),
});
const Bulk = z.object({
  run_ids: TextList.pipe(z.array(z.string()).min(1).max(100)),
  metric_key: Key,
  start_step: z.coerce.number().int().optional(),
  end_step: z.coerce.number().int().optional(),
  max_results: z.coerce.number().int().min(1).max(25_000).default(25_000),
});

const read = { method: 'GET', access: 'runs:read' } as const;

@Injectable()
export class MetricOperations {
  readonly operations = [
    operation({ ...read, path: 'metrics/get-history', input: History }, (input) => this.history(input)),
    ...['metrics/get-history-bulk', 'metrics/get-history-bulk-interval'].map((path) =>
      operation({ ...read, path, input: Bulk }, (input) => this.bulk(input)),
    ),
  ];

  constructor(private readonly dataSource: DataSource) {}

  private async history(input: z.output<typeof History>): Promise<object> {
    const token = input.page_token === '' ? undefined : input.page_token;
    const after = decodePageToken(token, PageKey);
    const rows = await readHistory(this.dataSource.manager, {
      runId: runIdOf(input),
      key: input.metric_key,
      after,
      limit: input.max_results + 1,
    });
    const { items, ...next } = toPage(rows, input.max_results, (row) => [
      row.step,
      row.timestamp_ms,
      String(row.value),
    ]);
    return { metrics: items.map(toMetric), ...next };
  }

  private async bulk(input: z.output<typeof Bulk>): Promise<object> {
    const rows = await this.dataSource.manager.query<(MetricRow & { run_id: string })[]>(
      `SELECT run_id, key, step::float8, timestamp_ms::float8, value FROM metrics
       WHERE run_id = ANY($1::uuid[]) AND key = $2 AND ($3::int8 IS NULL OR metrics.step >= $3)
         AND ($4::int8 IS NULL OR metrics.step <= $4)
       ORDER BY run_id, metrics.step, metrics.timestamp_ms, value LIMIT $5`,
      [
        input.run_ids.map((id) => runIdOf({ run_id: id })),
        input.metric_key,
        input.start_step ?? null,
        input.end_step ?? null,
        input.max_results,
      ],
    );
    return { metrics: rows.map((row) => ({ ...toMetric(row), run_id: toHex(row.run_id) })) };
  }
}

function toMetric(row: MetricRow): object {
  const { timestamp_ms: timestamp, ...point } = toMetricPoint(row);
  return { ...point, timestamp };
}
