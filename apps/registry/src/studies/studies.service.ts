/** Hyper-parameter studies. Their runs are ordinary runs with the study's id as a tag, so any client may join one. */
import type { Page } from '#contracts/common';
import { studyTag } from '#contracts/runs';
import type { CreateStudy, ListStudies, ListTrials, Study, Trial } from '#contracts/studies';
import { ExperimentEntity, StudyEntity } from '#database/entities/run.entity';
import { Transactions } from '#database/transactions';
import type { Actor } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { decodePageToken, toPage } from '../http/page.js';
import { violatedConstraint } from '../http/violations.js';
import { searchRuns } from '../mlflow/run-search.js';
import { ExperimentsService } from '../runs/experiments.service.js';
import { readRunsOf } from '../runs/run-store.js';
import { toRun } from '../runs/runs.mapper.js';
import { findStudy } from './study-lookup.js';

@Injectable()
export class StudiesService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly experiments: ExperimentsService,
  ) {}

  create(input: z.output<typeof CreateStudy>, actor: Actor): Promise<Study> {
    return this.transactions.write(actor, async (tx) => {
      const row: StudyEntity = {
        id: uuidv7(),
        experiment_id: await this.experiments.idOf(tx.manager, input.experiment),
        name: input.name,
        metric: input.objective.metric,
        direction: input.objective.direction,
        search_space: input.search_space,
        created_at: new Date(),
        created_by: actor.subject,
      };
      await tx.manager.insert(StudyEntity, row).catch((error: unknown) => {
        if (violatedConstraint(error) !== 'studies_name_key') throw error;
        throw new SluiceError('ALREADY_EXISTS', `The experiment has a study "${input.name}" already.`);
      });
      const study = toStudy(row, input.experiment, null);
      await tx.audit({ action: 'study.create', subject: `studies/${row.id}`, after: study });
      return study;
    });
  }

  async read(id: string): Promise<Study> {
    return this.view(await findStudy(this.dataSource.manager, id));
  }

  /** Newest first. */
  async list(query: z.output<typeof ListStudies>): Promise<Page<Study>> {
    const { manager } = this.dataSource;
    const before = decodePageToken(query.page_token, z.tuple([z.uuid()]));
    const experimentId =
      query.experiment === undefined ? null : await this.experiments.idOf(manager, query.experiment);
    const rows = await manager.query<StudyEntity[]>(
      `SELECT * FROM studies WHERE ($1::uuid IS NULL OR experiment_id = $1) AND ($2::uuid IS NULL OR id < $2)
       ORDER BY id DESC LIMIT $3`,
      [experimentId, before?.[0] ?? null, query.page_size + 1],
    );
    const page = toPage(rows, query.page_size, (row) => [row.id]);
    return { ...page, items: await Promise.all(page.items.map((row) => this.view(row))) };
  }

  /** Best first. */
  async trials(id: string, query: z.output<typeof ListTrials>): Promise<Page<Trial>> {
    const study = await findStudy(this.dataSource.manager, id);
    return this.search(study, '', query.page_size, query.page_token ?? '');
  }

  private async view(row: StudyEntity): Promise<Study> {
    const experiment = await this.dataSource.manager.findOneByOrFail(ExperimentEntity, {
      id: row.experiment_id,
    });
    const finished = `attributes.status = 'FINISHED' AND metrics.\`${row.metric}\` IS NOT NULL`;
    const { items } = await this.search(row, finished, 1, '');
    const [best] = items;
    return toStudy(row, experiment.name, best === undefined || best.value === 'NaN' ? null : best);
  }

  private async search(
    study: StudyEntity,
    filter: string,
    limit: number,
    pageToken: string,
  ): Promise<Page<Trial>> {
    const { manager } = this.dataSource;
    const ofStudy = `tags.\`${studyTag}\` = '${study.id}'`;
    const { ids, ...next } = await searchRuns(manager, {
      experimentIds: [study.experiment_id],
      view: 'r.deleted_at IS NULL',
      filter: filter === '' ? ofStudy : `${ofStudy} AND ${filter}`,
      orders: [`metrics.\`${study.metric}\` ${study.direction === 'MINIMIZE' ? 'ASC' : 'DESC'}`],
      pageToken,
      limit,
    });
    const runs = (await readRunsOf(manager, ids)).map(toRun);
    const items = runs.map(({ id, name, status, metrics, params }) => ({
      run_id: id,
      name,
      status,
      value: metrics[study.metric]?.value ?? null,
      params,
    }));
    return { items, ...next };
  }
}

const toStudy = (row: StudyEntity, experiment: string, best: Trial | null): Study => ({
  id: row.id,
  experiment,
  name: row.name,
  objective: { metric: row.metric, direction: row.direction },
  search_space: row.search_space,
  created_at: row.created_at.toISOString(),
  created_by: row.created_by,
  best,
});
