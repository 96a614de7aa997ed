/** Models: named things with versions. A new model gets an endpoint of its own name, without traffic. */
import { isDeepStrictEqual } from 'node:util';
import type { Page } from '#contracts/common';
import { noTraffic } from '#contracts/endpoints';
import type { CreateModel, ListModels, Model, UpdateModel } from '#contracts/models';
import { ModelEntity } from '#database/entities/model.entity';
import { TrafficTargetEntity } from '#database/entities/endpoint.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { SelectQueryBuilder } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { insertEndpoint } from '../endpoints/endpoint-store.js';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { violatedConstraint } from '../http/violations.js';
import { JobQueue } from '../jobs/job-queue.js';
import { requireArchived, requireConfirmation } from '../versions/version-removal.js';
import { deleteModel } from './delete-model.js';
import { findModel, lockModel } from './model-lookup.js';
import { toModel } from './models.mapper.js';
import { viewModel, viewModels } from './view-model.js';

const PageKey = z.tuple([z.string()]);
type Query = z.output<typeof ListModels>;

@Injectable()
export class ModelsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly jobs: JobQueue,
  ) {}

  create(input: z.output<typeof CreateModel>, caller: Caller): Promise<Model> {
    return this.transactions.write(caller, (tx) => insertModel(tx, input, caller));
  }

  async list(query: Query): Promise<Page<Model>> {
    const { manager } = this.dataSource;
    const select = manager.createQueryBuilder(ModelEntity, 'model').orderBy('model.name', 'ASC');
    const rows = await filter(select, query)
      .limit(query.page_size + 1)
      .getMany();
    const page = toPage(rows, query.page_size, (row) => [row.name]);
    return { ...page, items: await viewModels(manager, page.items) };
  }

  async read(name: string): Promise<Model> {
    return viewModel(this.dataSource.manager, await findModel(this.dataSource.manager, name));
  }

  update(name: string, input: z.output<typeof UpdateModel>, caller: Caller): Promise<Model> {
    return this.edit(name, () => input, caller);
  }

  /** @param edit sees the model as it is while nobody else can change it, so that concurrent edits add up */
  edit(
    name: string,
    edit: (model: ModelEntity) => z.output<typeof UpdateModel>,
    caller: Caller,
  ): Promise<Model> {
    return this.transactions.write(caller, async (tx) => {
      const row = await lockModel(tx.manager, name);
      const input = edit(row);
      const wanted = { description: input.description ?? row.description, tags: input.tags ?? row.tags };
      if (isDeepStrictEqual(wanted, { description: row.description, tags: row.tags }))
        return viewModel(tx.manager, row);
      return change(tx, row, wanted, 'model.update');
    });
  }

  async archive(name: string, caller: Caller): Promise<Model> {
    const model = await this.transactions.write(caller, async (tx) => {
      const row = await lockModel(tx.manager, name);
      if (row.archived_at) return viewModel(tx.manager, row);
      if (await tx.manager.existsBy(TrafficTargetEntity, { model_id: row.id }))
        throw new SluiceError(
          'VERSION_IN_USE',
          `"${name}" still gets traffic. Empty the traffic of its endpoints first.`,
        );
      tx.routingChanged();
      return change(tx, row, { archived_at: new Date() }, 'model.archive');
    });
    await this.jobs.lookAgain('placement');
    return model;
  }

  async restore(name: string, caller: Caller): Promise<Model> {
    const model = await this.transactions.write(caller, async (tx) => {
      const row = await lockModel(tx.manager, name);
      if (!row.archived_at) return viewModel(tx.manager, row);
      tx.routingChanged();
      return change(tx, row, { archived_at: null }, 'model.restore');
    });
    await this.jobs.lookAgain('placement');
    return model;
  }

  /** For good: versions, aliases, endpoints and all. */
  async remove(name: string, confirm: string | undefined, caller: Caller): Promise<void> {
    requireConfirmation(confirm, name);
    await this.transactions.write(caller, async (tx) => {
      const row = await lockModel(tx.manager, name);
      requireArchived(`"${name}"`, row.archived_at);
      await deleteModel(tx, row);
    });
  }
}

/** A model and its endpoint. @throws SluiceError ALREADY_EXISTS */
export async function insertModel(
  tx: WriteContext,
  input: z.output<typeof CreateModel>,
  caller: Caller,
): Promise<Model> {
  const now = new Date();
  const row: ModelEntity = {
    id: uuidv7(),
    ...input,
    next_version: 1,
    signed_only: false,
    retention: null,
    archived_at: null,
    created_at: now,
    updated_at: now,
  };
  await tx.manager.insert(ModelEntity, row).catch((error: unknown) => {
    if (violatedConstraint(error) !== 'models_name_key') throw error;
    throw new SluiceError('ALREADY_EXISTS', `There is a model "${row.name}" already.`);
  });
  await insertEndpoint(tx, { name: row.name, model: row, traffic: noTraffic, by: caller.subject });
  const model = toModel(row, [], null);
  await tx.audit({ action: 'model.create', subject: subjectOf(row), after: model });
  tx.routingChanged();
  return model;
}

type Change = Partial<Pick<ModelEntity, 'description' | 'tags' | 'archived_at'>>;

/** Writes the change and its audit entry; the row must be locked. */
async function change(tx: WriteContext, row: ModelEntity, wanted: Change, action: string): Promise<Model> {
  const before = await viewModel(tx.manager, row);
  Object.assign(row, wanted, { updated_at: new Date() });
  await tx.manager.save(row);
  const after = await viewModel(tx.manager, row);
  await tx.audit({ action, subject: subjectOf(row), before, after });
  return after;
}

function filter(select: SelectQueryBuilder<ModelEntity>, query: Query): SelectQueryBuilder<ModelEntity> {
  const after = decodePageToken(query.page_token, PageKey);
  if (after) select.andWhere('model.name > :after', { after: after[0] });
  // Not LIKE: "%" and "_" in a name mean themselves.
  if (query.name_contains !== undefined)
    select.andWhere('strpos(lower(model.name), lower(:part)) > 0', { part: query.name_contains });
  if (query.tag !== undefined) {
    const [key, value] = splitTag(query.tag);
    if (value === undefined) select.andWhere('jsonb_exists(model.tags, :key)', { key });
    else select.andWhere('model.tags ->> :key = :value', { key, value });
  }
  if (query.archived !== 'any')
    select.andWhere(`model.archived_at IS ${query.archived === 'true' ? 'NOT NULL' : 'NULL'}`);
  return select;
}

/** `key=value`, or `key` alone. */
function splitTag(tag: string): [key: string, value: string | undefined] {
  const at = tag.indexOf('=');
  return at < 0 ? [tag, undefined] : [tag.slice(0, at), tag.slice(at + 1)];
}

const subjectOf = (row: Pick<ModelEntity, 'name'>): string => `models/${row.name}`;
