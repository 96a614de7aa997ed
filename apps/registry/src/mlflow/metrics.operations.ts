/** Histories of metrics: one run page by page, or one metric of several runs. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { readHistory, readSample } from '../runs/metric-history.js';
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
const ofRuns = { run_ids: TextList.pipe(z.array(z.string()).min(1).max(100)), metric_key: Key };
const Bulk = z.object({
  ...ofRuns,
  max_results: z.coerce.number().int().min(1).max(25_000).default(25_000),
});
const Interval = z.object({
  ...ofRuns,
  start_step: z.coerce.number().int().optional(),
  end_step: z.coerce.number().int().optional(),
  max_results: z.coerce.number().int().min(1).max(2_500).default(320),
});

const read = { method: 'GET', access: 'runs:read' } as const;

@Injectable()
export class MetricOperations {
  readonly operations = [
    operation({ ...read, path: 'metrics/get-history', input: History }, (input) => this.history(input)),
    operation({ ...read, path: 'metrics/get-history-bulk', input: Bulk }, (input) => this.bulk(input)),
    operation({ ...read, path: 'metrics/get-history-bulk-interval', input: Interval }, (input) =>
      this.interval(input),
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
      `SELECT s.run_id, s.key, p.step::float8, p.timestamp_ms::float8, p.value
       FROM metric_series s JOIN metric_points p ON p.series_id = s.id
       WHERE s.run_id = ANY($1::uuid[]) AND s.key = $2
       ORDER BY s.run_id, p.step, p.timestamp_ms, p.value LIMIT $3`,
      [input.run_ids.map((id) => runIdOf({ run_id: id })), input.metric_key, input.max_results],
    );
    return { metrics: rows.map((row) => ({ ...toMetric(row), run_id: toHex(row.run_id) })) };
  }

  /** So many points of each run that a chart shows. */
  private async interval(input: z.output<typeof Interval>): Promise<object> {
    const metrics: object[] = [];
    for (const hex of input.run_ids) {
      const { points } = await readSample(this.dataSource.manager, {
        runId: runIdOf({ run_id: hex }),
        key: input.metric_key,
        startStep: input.start_step,
        endStep: input.end_step,
        maxPoints: input.max_results,
      });
      metrics.push(...points.map((row) => ({ ...toMetric(row), run_id: hex })));
    }
    return { metrics };
  }
}

function toMetric(row: MetricRow): object {
  const { timestamp_ms: timestamp, ...point } = toMetricPoint(row);
  return { ...point, timestamp };
}
