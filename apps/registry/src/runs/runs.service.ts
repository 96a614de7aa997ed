/** The training log's rules: a run takes points, params and tags while it runs, and ends once. */
import type { Page } from '#contracts/common';
import type {
  CreateRun,
  FinishRun,
  ListRuns,
  ListSeries,
  LogBatch,
  MetricHistoryQuery,
  MetricPoint,
  MetricSample,
  MetricSampleQuery,
  Run,
  RunComparison,
} from '#contracts/runs';
import { parentRunTag, studyTag } from '#contracts/runs';
import { RunEntity } from '#database/entities/run.entity';
import { Transactions } from '#database/transactions';
import type { Actor, WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { Creations } from '../creations/creations.js';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { studyToJoin } from '../studies/study-lookup.js';
import { compareRuns } from './compare-runs.js';
import { ExperimentsService } from './experiments.service.js';
import { madeUpName } from './run-name.js';
import { readHistory, readSample } from './metric-history.js';
import { announceRun } from './line-store.js';
import { readRuns, readRunsOf, readSeries, writeBatch } from './run-store.js';
import { toMetricPoint, toRun } from './runs.mapper.js';

const HistoryKey = z.tuple([z.int(), z.int(), z.string().regex(/^(-?[\d.e+-]+|NaN|-?Infinity)$/)]);

@Injectable()
export class RunsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly experiments: ExperimentsService,
    private readonly creations: Creations,
  ) {}

  create(input: z.output<typeof CreateRun>, caller: Caller): Promise<Run> {
    return this.creations.answer(caller, {
      make: (tx) => this.insert(tx, input, caller),
      nameOf: (run) => run.id,
      read: (id) => this.read(id),
    });
  }

  private async insert(tx: WriteContext, input: z.output<typeof CreateRun>, caller: Caller): Promise<Run> {
    const study =
      input.study_id === undefined ? undefined : await studyToJoin(tx.manager, input.study_id, input.params);
    if (input.parent_run_id !== undefined) await requireRun(tx.manager, input.parent_run_id);
    const row: RunEntity = {
      id: uuidv7(),
      experiment_id: study?.experiment_id ?? (await this.experiments.idOf(tx.manager, input.experiment)),
      name: input.name ?? madeUpName(Math.random),
      status: 'RUNNING',
      started_at: new Date(),
      ended_at: null,
      deleted_at: null,
      created_by: caller.subject,
    };
    await tx.manager.insert(RunEntity, row);
    const tags = { ...input.tags, ...membershipOf(input) };
    await writeBatch(tx.manager, row.id, { params: input.params, tags, metrics: [] });
    const run = await readRun(tx.manager, row.id);
    await tx.audit({ action: 'run.create', subject: `runs/${row.id}`, after: run });
    return run;
  }

  /** All of the batch or nothing. Not audited: the log is its own record. */
  log(runId: string, batch: LogBatch, actor: Actor): Promise<void> {
    return this.transactions.write(actor, async (tx) => {
      // Shared, so that writers of one run do not wait for one another but `finish` waits for them.
      const run = await tx.manager.findOne(RunEntity, {
        where: { id: runId },
        lock: { mode: 'pessimistic_read' },
      });
      if (run === null) throw runNotFound(runId);
      if (run.status !== 'RUNNING') throw runFinished(run);
      await writeBatch(tx.manager, runId, batch);
    });
  }

  finish(runId: string, { status }: z.output<typeof FinishRun>, actor: Actor): Promise<Run> {
    return this.transactions.write(actor, async (tx) => {
      const run = await tx.manager.findOne(RunEntity, {
        where: { id: runId },
        lock: { mode: 'for_no_key_update' },
      });
      if (run === null) throw runNotFound(runId);
      if (run.status !== 'RUNNING' && run.status !== status) throw runFinished(run);
      if (run.status === 'RUNNING') {
        await tx.manager.update(RunEntity, { id: runId }, { status, ended_at: new Date() });
        await tx.audit({
          action: 'run.finish',
          subject: `runs/${runId}`,
          before: { status: run.status },
          after: { status },
        });
        await announceRun(tx.manager, runId);
      }
      return readRun(tx.manager, runId);
    });
  }

  read(runId: string): Promise<Run> {
    return readRun(this.dataSource.manager, runId);
  }

  async list(query: z.output<typeof ListRuns>): Promise<Page<Run>> {
    const { manager } = this.dataSource;
    const before = decodePageToken(query.page_token, z.tuple([z.uuid()]));
    const rows = await readRuns(manager, {
      experimentId:
        query.experiment === undefined ? undefined : await this.experiments.idOf(manager, query.experiment),
      status: query.status,
      parentId: query.parent_run_id,
      beforeId: before?.[0],
      limit: query.page_size + 1,
    });
    return toPage(rows.map(toRun), query.page_size, (run) => [run.id]);
  }

  async metricHistory(runId: string, query: z.output<typeof MetricHistoryQuery>): Promise<Page<MetricPoint>> {
    const { manager } = this.dataSource;
    const after = decodePageToken(query.page_token, HistoryKey);
    await requireRun(manager, runId);
    const rows = await readHistory(manager, { runId, key: query.key, after, limit: query.page_size + 1 });
    return toPage(rows.map(toMetricPoint), query.page_size, (point) => [
      point.step,
      point.timestamp_ms,
      String(point.value),
    ]);
  }

  /** By key, each with its latest point. */
  async series(runId: string, query: z.output<typeof ListSeries>): Promise<Page<MetricPoint>> {
    const { manager } = this.dataSource;
    const after = decodePageToken(query.page_token, z.tuple([z.string()]));
    await requireRun(manager, runId);
    const rows = await readSeries(manager, {
      runId,
      prefix: query.prefix,
      afterKey: after?.[0] ?? null,
      limit: query.page_size + 1,
    });
    return toPage(rows.map(toMetricPoint), query.page_size, (point) => [point.key]);
  }

  /** @throws SluiceError RUN_NOT_FOUND */
  async compare(ids: readonly string[]): Promise<RunComparison> {
    const runs = (await readRunsOf(this.dataSource.manager, ids)).map(toRun);
    const missing = ids.find((id) => !runs.some((run) => run.id === id));
    if (missing !== undefined) throw runNotFound(missing);
    return compareRuns(runs);
  }

  async metricSample(runId: string, query: z.output<typeof MetricSampleQuery>): Promise<MetricSample> {
    const { manager } = this.dataSource;
    await requireRun(manager, runId);
    const sample = await readSample(manager, {
      runId,
      key: query.key,
      startStep: query.start_step,
      endStep: query.end_step,
      maxPoints: query.max_points,
    });
    return { points: sample.points.map(toMetricPoint), is_sampled: sample.isSampled };
  }
}

/** @throws SluiceError RUN_NOT_FOUND */
async function requireRun(manager: EntityManager, runId: string): Promise<void> {
  if (!(await manager.existsBy(RunEntity, { id: runId }))) throw runNotFound(runId);
}

async function readRun(manager: EntityManager, runId: string): Promise<Run> {
  const [row] = await readRunsOf(manager, [runId]);
  if (row === undefined) throw runNotFound(runId);
  return toRun(row);
}

/** As tags, because MLflow's clients nest their runs by one too. */
const membershipOf = (input: z.output<typeof CreateRun>): Record<string, string> => ({
  ...(input.parent_run_id === undefined ? {} : { [parentRunTag]: input.parent_run_id.replaceAll('-', '') }),
  ...(input.study_id === undefined ? {} : { [studyTag]: input.study_id }),
});

const runNotFound = (runId: string): SluiceError =>
  new SluiceError('RUN_NOT_FOUND', `There is no run ${runId}.`);

const runFinished = (run: RunEntity): SluiceError =>
  new SluiceError('RUN_FINISHED', `The run is ${run.status} since ${run.ended_at?.toISOString() ?? 'long'}.`);
