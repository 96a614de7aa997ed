/** MLflow's runs: their making, state, end and search. Unlike the API of Sluice's own, a run changes after its end too, until it is deleted. */
import { runStatuses } from '#contracts/runs';
import { RunEntity } from '#database/entities/run.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { Creations } from '../creations/creations.js';
import type { Caller } from '../http/caller.js';
import { madeUpName } from '../runs/run-name.js';
import { announceRun } from '../runs/line-store.js';
import { writeBatch } from '../runs/run-store.js';
import { ExperimentOperations, viewCondition } from './experiments.operations.js';
import { Millis, runFields, runIdOf, runNameTag, runNotFound, searchFields, tagList } from './fields.js';
import { JsonText, operation } from './operation.js';
import { readMlflowRuns, toMlflowRun, toRunInfo } from './run-rows.js';
import { searchRuns } from './run-search.js';

const Status = z.enum(runStatuses);
const Run = z.object(runFields);
const Create = z.object({
  experiment_id: z.string().default('0'),
  run_name: z.string().max(250).default(''),
  start_time: Millis.optional(),
  tags: tagList(8_000),
});
const Update = Run.extend({
  status: Status.optional(),
  end_time: Millis.optional(),
  run_name: z.string().max(250).default(''),
});
const Search = z.object({
  ...searchFields(1_000, 50_000),
  experiment_ids: z.array(z.string()).max(1_000).default([]),
  run_view_type: z.enum(['ACTIVE_ONLY', 'DELETED_ONLY', 'ALL']).default('ACTIVE_ONLY'),
});

const recentMs = 10 * 60_000;
/** Nobody begins two runs in the same millisecond, one after the other. Runs that are brought over from elsewhere may share an old one. */
const beginsNow = (raw: Readonly<Record<string, unknown>>): boolean =>
  Math.abs(Date.now() - Number(raw['start_time'] ?? NaN)) < recentMs;

const read = { method: 'GET', access: 'runs:read' } as const;
const write = { method: 'POST', access: 'runs:write' } as const;

@Injectable()
export class RunOperations {
  readonly operations = [
    operation({ ...write, path: 'runs/create', input: Create, creates: beginsNow }, (input, caller) =>
      this.create(input, caller),
    ),
    operation({ ...read, path: 'runs/get', input: Run }, (input) => this.read(runIdOf(input))),
    operation({ ...write, path: 'runs/update', input: Update }, (input, caller) =>
      this.update(input, caller),
    ),
    operation({ ...write, path: 'runs/delete', input: Run }, (input, caller) =>
      this.setDeleted(runIdOf(input), new Date(), caller),
    ),
    operation({ ...write, path: 'runs/restore', input: Run }, (input, caller) =>
      this.setDeleted(runIdOf(input), null, caller),
    ),
    operation({ method: 'POST', access: 'runs:read', path: 'runs/search', input: Search }, (input) =>
      this.search(input),
    ),
  ];

  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly experiments: ExperimentOperations,
    private readonly creations: Creations,
  ) {}

  private async create(input: z.output<typeof Create>, caller: Caller): Promise<object> {
    const experiment = await this.experiments.find(input.experiment_id);
    if (experiment.deleted_at)
      throw new SluiceError(
        'INVALID_REQUEST',
        `The experiment ${experiment.name} is deleted. Restore it first.`,
      );
    const given = input.run_name === '' ? input.tags[runNameTag] : input.run_name;
    const row: RunEntity = {
      id: uuidv7(),
      experiment_id: experiment.id,
      name: given ?? madeUpName(Math.random),
      status: 'RUNNING',
      started_at: new Date(input.start_time ?? Date.now()),
      ended_at: null,
      deleted_at: null,
      created_by: caller.subject,
    };
    const id = await this.creations.once(caller, async (tx) => {
      await tx.manager.insert(RunEntity, row);
      const tags = { ...input.tags, [runNameTag]: row.name };
      await writeBatch(tx.manager, row.id, { params: {}, tags, metrics: [] });
      await tx.audit({ action: 'run.create', subject: `runs/${row.id}`, after: row });
      return row.id;
    });
    return this.read(id);
  }

  private async read(id: string): Promise<object> {
    return new JsonText(`{"run":${toMlflowRun(await this.row(id))}}`);
  }

  /** @throws SluiceError RUN_NOT_FOUND */
  async row(id: string) {
    const [row] = await readMlflowRuns(this.dataSource.manager, [id]);
    if (row) return row;
    throw runNotFound(id);
  }

  private async update(input: z.output<typeof Update>, caller: Caller): Promise<object> {
    const id = runIdOf(input);
    const change = async (tx: WriteContext, run: RunEntity): Promise<void> => {
      const status = input.status ?? run.status;
      const isOpen = status === 'RUNNING' || status === 'SCHEDULED';
      const endedAt = new Date(input.end_time ?? run.ended_at?.getTime() ?? Date.now());
      const name = input.run_name === '' ? run.name : input.run_name;
      const wanted = { status, name, ended_at: isOpen ? null : endedAt };
      await tx.manager.update(RunEntity, { id }, wanted);
      if (name !== run.name)
        await writeBatch(tx.manager, id, { params: {}, tags: { [runNameTag]: name }, metrics: [] });
      if (status !== run.status) {
        const before = { status: run.status };
        await tx.audit({ action: 'run.update', subject: `runs/${id}`, before, after: { status } });
        await announceRun(tx.manager, id);
      }
    };
    await this.change(id, caller, change, 'for_no_key_update');
    return { run_info: toRunInfo(await this.row(id)) };
  }

  private async setDeleted(id: string, deletedAt: Date | null, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const lock = { mode: 'pessimistic_write' } as const;
      const run = await tx.manager.findOne(RunEntity, { where: { id }, lock });
      if (run === null) throw runNotFound(id);
      await tx.manager.update(RunEntity, { id }, { deleted_at: deletedAt });
      const action = deletedAt ? 'run.delete' : 'run.restore';
      const before = { deleted_at: run.deleted_at };
      await tx.audit({ action, subject: `runs/${id}`, before, after: { deleted_at: deletedAt } });
    });
  }

  /** Writers share the run, unless they change its row; a deletion waits for them, and they see it. */
  change(
    id: string,
    caller: Caller,
    work: (tx: WriteContext, run: RunEntity) => Promise<void>,
    mode: 'pessimistic_read' | 'for_no_key_update' = 'pessimistic_read',
  ): Promise<void> {
    return this.transactions.write(caller, async (tx) => {
      const run = await tx.manager.findOne(RunEntity, { where: { id }, lock: { mode } });
      if (run === null) throw runNotFound(id);
      if (run.deleted_at)
        throw new SluiceError(
          'INVALID_REQUEST',
          `The run ${id} must be in the 'active' state; it is deleted.`,
        );
      await work(tx, run);
    });
  }

  private async search(input: z.output<typeof Search>): Promise<object> {
    const { manager } = this.dataSource;
    const experimentIds = await Promise.all(
      input.experiment_ids.map(async (id) => (await this.experiments.find(id)).id),
    );
    const { ids, ...next } = await searchRuns(manager, {
      experimentIds,
      view: viewCondition(input.run_view_type, 'r.deleted_at'),
      filter: input.filter,
      orders: input.order_by,
      pageToken: input.page_token,
      limit: input.max_results,
    });
    const runs = await readMlflowRuns(manager, ids);
    const token = next.next_page_token;
    const page = token === undefined ? '' : `,"next_page_token":${JSON.stringify(token)}`;
    return new JsonText(`{"runs":[${runs.map(toMlflowRun).join(',')}]${page}}`);
  }
}
