/** Endpoints: the public names that callers use, and how their traffic is split. */
import type { Page } from '#contracts/common';
import { noTraffic } from '#contracts/endpoints';
import type {
  CreateEndpoint,
  Endpoint,
  HistoryQuery,
  ListEndpoints,
  Traffic,
  TrafficRevision,
} from '#contracts/endpoints';
import { EndpointEntity, TrafficRevisionEntity } from '#database/entities/endpoint.entity';
import { ModelEntity } from '#database/entities/model.entity';
import { Transactions } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, In, LessThan, MoreThan } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { requireRevision } from '../http/etag.js';
import type { ExpectedRevision } from '../http/etag.js';
import { decodePageToken, toPage } from '../http/page.js';
import { JobQueue } from '../jobs/job-queue.js';
import { lockModel, requireUnarchived } from '../models/model-lookup.js';
import { findEndpoint, insertEndpoint, replaceTraffic } from './endpoint-store.js';
import { toEndpoint, toTrafficRevision } from './endpoints.mapper.js';

const NamePageKey = z.tuple([z.string()]);
const RevisionPageKey = z.tuple([z.int()]);

@Injectable()
export class EndpointsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly jobs: JobQueue,
  ) {}

  async create(input: z.output<typeof CreateEndpoint>, caller: Caller): Promise<Endpoint> {
    const endpoint = await this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, input.model);
      requireUnarchived(model);
      const { name, traffic = noTraffic } = input;
      tx.routingChanged();
      return insertEndpoint(tx, { name, model, traffic, by: caller.subject });
    });
    await this.jobs.lookAgain('placement');
    return endpoint;
  }

  async list(query: z.output<typeof ListEndpoints>): Promise<Page<Endpoint>> {
    const { manager } = this.dataSource;
    const after = decodePageToken(query.page_token, NamePageKey);
    const model =
      query.model === undefined ? null : await manager.findOneBy(ModelEntity, { name: query.model });
    if (query.model !== undefined && !model) return { items: [] };
    const rows = await manager.find(EndpointEntity, {
      where: { ...(after ? { name: MoreThan(after[0]) } : {}), ...(model ? { model_id: model.id } : {}) },
      order: { name: 'ASC' },
      take: query.page_size + 1,
    });
    const page = toPage(rows, query.page_size, (row) => [row.name]);
    const models = await manager.findBy(ModelEntity, { id: In(page.items.map((row) => row.model_id)) });
    const names = new Map(models.map((row) => [row.id, row.name]));
    return { ...page, items: page.items.map((row) => toEndpoint(row, names.get(row.model_id) ?? '')) };
  }

  read(name: string): Promise<Endpoint> {
    return readEndpoint(this.dataSource.manager, name);
  }

  async setTraffic(
    name: string,
    traffic: Traffic,
    expected: ExpectedRevision,
    caller: Caller,
  ): Promise<Endpoint> {
    if (expected === 'any') {
      const detail =
        'If-Match: * would overwrite changes that you have not seen. Send the ETag that you read.';
      throw new SluiceError('PRECONDITION_REQUIRED', detail);
    }
    const endpoint = await this.transactions.write(caller, async (tx) => {
      // An endpoint never changes its model, so the model can be found before it is locked.
      const { model: modelName } = await readEndpoint(tx.manager, name);
      const model = await lockModel(tx.manager, modelName);
      const row = await findEndpoint(tx.manager, name);
      requireRevision(expected, row.revision);
      requireUnarchived(model);
      tx.routingChanged();
      return replaceTraffic(tx, row, { model, traffic, by: caller.subject });
    });
    await this.jobs.lookAgain('placement');
    return endpoint;
  }

  async history(
    name: string,
    query: z.output<typeof HistoryQuery>,
  ): Promise<Page<z.output<typeof TrafficRevision>>> {
    const { manager } = this.dataSource;
    const { id } = await findEndpoint(manager, name);
    const before = decodePageToken(query.page_token, RevisionPageKey);
    const rows = await manager.find(TrafficRevisionEntity, {
      where: { endpoint_id: id, ...(before ? { revision: LessThan(before[0]) } : {}) },
      order: { revision: 'DESC' },
      take: query.page_size + 1,
    });
    return toPage(rows.map(toTrafficRevision), query.page_size, (row) => [row.revision]);
  }
}

async function readEndpoint(manager: EntityManager, name: string): Promise<Endpoint> {
  const row = await findEndpoint(manager, name);
  const model = await manager.findOneByOrFail(ModelEntity, { id: row.model_id });
  return toEndpoint(row, model.name);
}
