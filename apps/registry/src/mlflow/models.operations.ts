/** MLflow's registered models, which are Sluice's models. */
import { AliasName, Description, Name } from '#contracts/common';
import { ModelEntity } from '#database/entities/model.entity';
import { AliasEntity } from '#database/entities/version.entity';
import { SluiceError } from '#platform/errors';
import { SharedReads } from '#platform/shared-reads';
import { Injectable } from '@nestjs/common';
import { DataSource, In } from 'typeorm';
import { z } from 'zod';
import { AliasesService } from '../aliases/aliases.service.js';
import { Creations } from '../creations/creations.js';
import type { Caller } from '../http/caller.js';
import { findModel } from '../models/model-lookup.js';
import { ModelsService, insertModel } from '../models/models.service.js';
import { Int64, Key, TextList, maxRegistryTagChars, searchFields, tagList, toPairs } from './fields.js';
import { never, operation } from './operation.js';
import { orderTerms, readPage } from './search/keyset.js';
import type { Placed } from './search/keyset.js';
import { Parameters, attributeOf, toCondition } from './search/sql.js';
import type { Resolve } from './search/sql.js';
import { parseStage, stageOf } from './stages.js';
import { readLatest, readVersions, tagOf, toModelVersion } from './version-rows.js';

const ByName = z.object({ name: z.string().max(1_000) });
/** MLflow's addresses are `models:/name/version`, so its names are of one segment; Sluice's own API takes more. */
const RegisteredModelName = z
  .string()
  .regex(/^[^/:]*$/, 'Registered model name cannot contain "/" or ":"')
  .pipe(Name);
const Create = z.object({
  name: RegisteredModelName,
  description: Description.default(''),
  tags: tagList(maxRegistryTagChars),
});
const NameAndAlias = z.tuple([z.string(), z.string()]);
const Alias = ByName.extend({ alias: AliasName });

const read = { method: 'GET', access: 'models:read' } as const;
const write = { method: 'POST', access: 'models:write' } as const;

@Injectable()
export class ModelOperations {
  readonly operations = [
    operation(
      { ...write, path: 'registered-models/create', input: Create, creates: never },
      async (input, caller) =>
        this.read(
          await this.creations.once(caller, async (tx) => (await insertModel(tx, input, caller)).name),
        ),
    ),
    operation({ ...read, path: 'registered-models/get', input: ByName }, (input) => this.read(input.name)),
    operation(
      {
        ...write,
        method: 'PATCH',
        path: 'registered-models/update',
        input: ByName.extend({ description: Description.default('') }),
      },
      async (input, caller) => {
        await this.models.update(input.name, { description: input.description }, caller);
        return this.read(input.name);
      },
    ),
    operation({ ...write, path: 'registered-models/rename', input: ByName }, async () => {
      throw new SluiceError(
        'INVALID_REQUEST',
        'A model cannot be renamed: callers know its endpoint by the name.',
      );
    }),
    operation(
      { ...write, method: 'DELETE', path: 'registered-models/delete', input: ByName },
      async (input, caller) => void (await this.models.archive(input.name, caller)),
    ),
    operation(
      { ...read, path: 'registered-models/search', input: z.object(searchFields(100, 1_000)) },
      (input) => this.search(input),
    ),
    ...(['POST', 'GET'] as const).map((method) =>
      operation(
        {
          ...read,
          method,
          path: 'registered-models/get-latest-versions',
          input: ByName.extend({ stages: TextList }),
        },
        (input) => this.latest(input.name, input.stages),
      ),
    ),
    operation(
      {
        ...write,
        path: 'registered-models/set-tag',
        input: ByName.extend({ key: Key, value: z.string().max(maxRegistryTagChars) }),
      },
      (input, caller) => this.setTags(input.name, caller, (tags) => ({ ...tags, [input.key]: input.value })),
    ),
    operation(
      {
        ...write,
        method: 'DELETE',
        path: 'registered-models/delete-tag',
        input: ByName.extend({ key: Key }),
      },
      (input, caller) => this.setTags(input.name, caller, ({ [input.key]: _gone, ...tags }) => tags),
    ),
    operation(
      { ...write, path: 'registered-models/alias', input: Alias.extend({ version: Int64 }) },
      async (input, caller) => void (await this.aliases.set(input.name, input.alias, input.version, caller)),
    ),
    operation(
      { ...write, method: 'DELETE', path: 'registered-models/alias', input: Alias },
      (input, caller) => this.aliases.remove(input.name, input.alias, caller),
    ),
    operation(
      { ...read, path: 'registered-models/alias', input: ByName.extend({ alias: z.string() }) },
      async (input) => ({
        model_version: await this.#aliased.get(JSON.stringify([input.name, input.alias])),
      }),
    ),
  ];

  /** Every loading of `models:/name@alias` begins with it. The keys are a name and an alias. */
  readonly #aliased = new SharedReads((key) => this.byAlias(...NameAndAlias.parse(JSON.parse(key))));

  constructor(
    private readonly dataSource: DataSource,
    private readonly models: ModelsService,
    private readonly aliases: AliasesService,
    private readonly creations: Creations,
  ) {}

  private async read(name: string): Promise<object> {
    const { manager } = this.dataSource;
    const model = await findModel(manager, name);
    if (model.archived_at)
      throw new SluiceError(
        'MODEL_NOT_FOUND',
        `Registered Model with name=${name} not found: it is archived.`,
      );
    return { registered_model: (await this.view([model]))[0] };
  }

  private async search(input: z.output<z.ZodObject<ReturnType<typeof searchFields>>>): Promise<object> {
    const parameters = new Parameters();
    const filter = toCondition(input.filter, resolve, parameters);
    const query = (text: string, values: unknown[]) =>
      this.dataSource.manager.query<Placed<ModelEntity>[]>(text, values);
    const { rows, ...next } = await readPage(query, {
      select: (columns, condition) =>
        `SELECT m.*, ${columns} FROM models m WHERE m.archived_at IS NULL AND ${filter} AND ${condition}`,
      terms: [
        ...orderTerms(input.order_by, resolve, parameters),
        { sql: 'm.name', type: 'text', descending: false },
      ],
      parameters,
      pageToken: input.page_token,
      limit: input.max_results,
    });
    return { registered_models: await this.view(rows), ...next };
  }

  private async latest(name: string, stages: readonly string[]): Promise<object> {
    await findModel(this.dataSource.manager, name);
    const wanted = new Set(stages.map(parseStage));
    const rows = await readLatest(this.dataSource.manager, [name]);
    const found = rows.filter((row) => wanted.size === 0 || wanted.has(stageOf(row.aliases, row.mark)));
    return { model_versions: found.map(toModelVersion) };
  }

  private async byAlias(name: string, alias: string): Promise<object> {
    const condition = `m.name = $1 AND EXISTS (SELECT FROM aliases b
      WHERE b.model_id = m.id AND b.version_number = v.number AND b.name = $2)`;
    const [row] = await readVersions(this.dataSource.manager, condition, [name, alias]);
    if (row) return toModelVersion(row);
    await findModel(this.dataSource.manager, name);
    throw new SluiceError('ALIAS_NOT_FOUND', `Registered model alias ${alias.slice(0, 255)} not found.`);
  }

  private async setTags(
    name: string,
    caller: Caller,
    change: (tags: Record<string, string>) => Record<string, string>,
  ): Promise<void> {
    await this.models.edit(name, ({ tags }) => ({ tags: change(tags) }), caller);
  }

  private async view(rows: readonly ModelEntity[]): Promise<object[]> {
    const { manager } = this.dataSource;
    if (rows.length === 0) return [];
    const latest = await readLatest(
      manager,
      rows.map((row) => row.name),
    );
    const aliases = await manager.findBy(AliasEntity, { model_id: In(rows.map((row) => row.id)) });
    return rows.map((row) => ({
      name: row.name,
      creation_timestamp: row.created_at.getTime(),
      last_updated_timestamp: row.updated_at.getTime(),
      description: row.description,
      latest_versions: latest.filter(({ model }) => model === row.name).map(toModelVersion),
      tags: toPairs(row.tags),
      aliases: aliases
        .filter((alias) => alias.model_id === row.id)
        .map((alias) => ({ alias: alias.name, version: String(alias.version_number) })),
    }));
  }
}

const columns = {
  name: { sql: 'm.name', type: 'text', required: true },
  creation_timestamp: { sql: 'm.created_at', type: 'instant', required: true },
  last_updated_timestamp: { sql: 'm.updated_at', type: 'instant', required: true },
  timestamp: { sql: 'm.updated_at', type: 'instant', required: true },
} as const;

const resolve: Resolve = ({ entity, key }, parameters) =>
  entity === 'attribute' ? attributeOf(columns, key) : tagOf(entity, 'm', key, parameters);
