/** MLflow's model versions, which are Sluice's versions: one that holds an ONNX model is checked by a node and can be released. */
import { Description } from '#contracts/common';
import { CreateVersion } from '#contracts/models';
import { MlflowVersionEntity } from '#database/entities/mlflow.entity';
import { VersionEntity } from '#database/entities/version.entity';
import { Transactions } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { Creations } from '../creations/creations.js';
import type { Caller } from '../http/caller.js';
import { JobQueue } from '../jobs/job-queue.js';
import { findModel } from '../models/model-lookup.js';
import { insertVersion } from '../versions/uploads.service.js';
import { VersionsService } from '../versions/versions.service.js';
import { Int64, Key, runIdOf, maxRegistryTagChars, searchFields, tagList } from './fields.js';
import { operation } from './operation.js';
import type { Creates } from './operation.js';
import { orderTerms, readPage } from './search/keyset.js';
import type { Placed } from './search/keyset.js';
import { Parameters, toCondition } from './search/sql.js';
import { StageTransitions } from './stage-transitions.js';
import { parseStage } from './stages.js';
import { VersionSources } from './version-sources.js';
import {
  ownTagPrefix,
  readVersions,
  resolveVersionField,
  selectVersions,
  toModelVersion,
  versionUri,
} from './version-rows.js';
import type { MlflowVersionRow } from './version-rows.js';

const Version = z.object({ name: z.string().max(1_000), version: Int64 });
const Create = z.object({
  name: z.string().max(1_000),
  source: z.string().min(1).max(2_000),
  run_id: z.string().default(''),
  model_id: z.string().default(''),
  run_link: z.string().max(2_000).default(''),
  description: Description.default(''),
  tags: tagList(maxRegistryTagChars),
});
type Annotations = Pick<VersionEntity, 'description' | 'tags'>;
const Transition = Version.extend({
  stage: z.string(),
  archive_existing_versions: z.union([z.boolean(), z.stringbool()]).default(false),
});

/** It reads the model before it makes a version: two creations in a row are one, sent again. */
const ofStockClient: Creates = (_raw, isStockClient) => isStockClient;

const read = { method: 'GET', access: 'models:read' } as const;
const write = { method: 'POST', access: 'models:write' } as const;

@Injectable()
export class VersionOperations {
  readonly operations = [
    operation(
      { ...write, path: 'model-versions/create', input: Create, creates: ofStockClient },
      (input, caller) => this.create(input, caller),
    ),
    operation({ ...read, path: 'model-versions/get', input: Version }, (input) => this.view(input)),
    operation(
      { ...read, path: 'model-versions/search', input: z.object(searchFields(10_000, 200_000)) },
      (input) => this.search(input),
    ),
    operation({ ...read, path: 'model-versions/get-download-uri', input: Version }, async (input) => ({
      artifact_uri: versionUri((await this.row(input)).id),
    })),
    operation(
      {
        ...write,
        method: 'PATCH',
        path: 'model-versions/update',
        input: Version.extend({ description: Description }),
      },
      async (input, caller) => {
        await this.update(input, () => ({ description: input.description }), caller);
        return this.view(input);
      },
    ),
    operation(
      { ...write, method: 'DELETE', path: 'model-versions/delete', input: Version },
      async (input, caller) =>
        void (await this.versions.archive({ model: input.name, version: input.version }, caller)),
    ),
    operation(
      {
        ...write,
        path: 'model-versions/set-tag',
        input: Version.extend({ key: Key, value: z.string().max(maxRegistryTagChars) }),
      },
      async (input, caller) => {
        if (input.key.startsWith(ownTagPrefix))
          throw new SluiceError(
            'INVALID_REQUEST',
            `Tags that begin with "${ownTagPrefix}" are the registry's.`,
          );
        const withTag = ({ tags }: VersionEntity) => ({ tags: { ...tags, [input.key]: input.value } });
        await this.update(input, withTag, caller);
      },
    ),
    operation(
      { ...write, method: 'DELETE', path: 'model-versions/delete-tag', input: Version.extend({ key: Key }) },
      async (input, caller) => {
        const withoutTag = ({ tags: { [input.key]: _gone, ...tags } }: VersionEntity) => ({ tags });
        await this.update(input, withoutTag, caller);
      },
    ),
    operation(
      { ...write, path: 'model-versions/transition-stage', input: Transition },
      async (input, caller) => {
        const { name, version, archive_existing_versions } = input;
        await this.stages.transition(
          { name, version },
          parseStage(input.stage),
          archive_existing_versions,
          caller,
        );
        return this.view(input);
      },
    ),
  ];

  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly versions: VersionsService,
    private readonly jobs: JobQueue,
    private readonly sources: VersionSources,
    private readonly creations: Creations,
    private readonly stages: StageTransitions,
  ) {}

  private async create(input: z.output<typeof Create>, caller: Caller): Promise<object> {
    await findModel(this.dataSource.manager, input.name);
    const { plan, files, runId, loggedModelId } = await this.sources.resolve(input.source);
    const run = input.run_id === '' ? runId : runIdOf(input);
    const metadata = CreateVersion.parse({
      description: input.description,
      tags: input.tags,
      ...(run === null ? {} : { run_id: run }),
    });
    const number = await this.creations.once(caller, async (tx) => {
      const version = await insertVersion(tx, input.name, plan, { files, metadata }, caller);
      await tx.manager.insert(MlflowVersionEntity, {
        version_id: version.id,
        source: input.source,
        run_link: input.run_link,
        logged_model_id: loggedModelId,
        stage: 'None',
      });
      return String(version.version);
    });
    await this.jobs.lookAgain('placement');
    return this.view({ name: input.name, version: Number(number) });
  }

  /** Where its files are, below the root of all artifacts. */
  async rootOf(address: z.output<typeof Version>): Promise<string> {
    return versionUri((await this.row(address)).id).slice('mlflow-artifacts:/'.length);
  }

  /** @throws SluiceError VERSION_NOT_FOUND */
  private async row({ name, version }: z.output<typeof Version>): Promise<MlflowVersionRow> {
    const { manager } = this.dataSource;
    const [row] = await readVersions(manager, 'm.name = $1 AND v.number = $2::float8', [name, version]);
    if (row) return row;
    throw new SluiceError('VERSION_NOT_FOUND', `Model Version (name=${name}, version=${version}) not found`);
  }

  private async view(address: z.output<typeof Version>): Promise<object> {
    return { model_version: toModelVersion(await this.row(address)) };
  }

  private async search(input: z.output<z.ZodObject<ReturnType<typeof searchFields>>>): Promise<object> {
    const parameters = new Parameters();
    const filter = toCondition(input.filter, resolveVersionField, parameters);
    const query = (text: string, values: unknown[]) =>
      this.dataSource.manager.query<Placed<MlflowVersionRow>[]>(text, values);
    const { rows, ...next } = await readPage(query, {
      select: (columns, condition) => selectVersions(`${filter} AND ${condition}`, columns),
      terms: [
        ...orderTerms(input.order_by, resolveVersionField, parameters),
        { sql: 'm.name', type: 'text', descending: false },
        { sql: 'v.number', type: 'number', descending: true },
      ],
      parameters,
      pageToken: input.page_token,
      limit: input.max_results,
    });
    return { model_versions: rows.map(toModelVersion), ...next };
  }

  private async update(
    address: z.output<typeof Version>,
    change: (last: VersionEntity) => Partial<Annotations>,
    caller: Caller,
  ): Promise<void> {
    const { id, ...row } = await this.row(address);
    await this.transactions.write(caller, async (tx) => {
      const lock = { mode: 'pessimistic_write' } as const;
      const last = await tx.manager.findOneOrFail(VersionEntity, { where: { id }, lock });
      const before: Annotations = { description: last.description, tags: last.tags };
      const after: Annotations = { ...before, ...change(last) };
      await tx.manager.update(VersionEntity, { id }, after);
      await tx.audit({ action: 'version.update', subject: subjectOf(row), before, after });
    });
  }
}

const subjectOf = (row: Pick<MlflowVersionRow, 'model' | 'number'>): string =>
  `models/${row.model}/versions/${row.number}`;
