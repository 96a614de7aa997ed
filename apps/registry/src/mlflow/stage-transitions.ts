/** Moves versions between MLflow's stages: aliases, marks, audit and events in one transaction. */
import { MlflowVersionEntity } from '#database/entities/mlflow.entity';
import type { ModelEntity } from '#database/entities/model.entity';
import { AliasEntity } from '#database/entities/version.entity';
import type { VersionEntity } from '#database/entities/version.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { getsTraffic, moveAlias, removeAlias } from '../aliases/alias-store.js';
import type { Caller } from '../http/caller.js';
import { JobQueue } from '../jobs/job-queue.js';
import { lockModel, requireUnarchived } from '../models/model-lookup.js';
import { findVersion } from '../versions/version-lookup.js';
import { planTransition, stageAliases, stageOf } from './stages.js';
import type { Mark, Named, Stage } from './stages.js';

@Injectable()
export class StageTransitions {
  constructor(
    private readonly transactions: Transactions,
    private readonly jobs: JobQueue,
  ) {}

  /** @throws SluiceError what keeps the aliases from being moved or left */
  async transition(
    address: { readonly name: string; readonly version: number },
    stage: Stage,
    archivesExisting: boolean,
    caller: Caller,
  ): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, address.name);
      requireUnarchived(model);
      const version = await findVersion(tx.manager, model, address.version);
      if (version.archived_at) throw archived(model, version);
      const before = await stageIn(tx.manager, model, version);
      const plan = planTransition(
        version.number,
        stage,
        await readNamed(tx.manager, model),
        archivesExisting,
      );
      for (const alias of plan.leaves) await removeAlias(tx, model, alias, caller);
      if (plan.enters) await moveAlias(tx, model, plan.enters, version, caller);
      await writeMarks(tx, model, plan.marks);
      const subject = `models/${model.name}/versions/${version.number}`;
      await tx.audit({ action: 'version.stage', subject, before: { stage: before }, after: { stage } });
    });
    await this.jobs.lookAgain('placement');
  }
}

async function stageIn(manager: EntityManager, model: ModelEntity, version: VersionEntity): Promise<Stage> {
  const at = { model_id: model.id, version_number: version.number };
  const aliases = await manager.findBy(AliasEntity, at);
  const kept = await manager.findOneBy(MlflowVersionEntity, { version_id: version.id });
  return stageOf(
    aliases.map(({ name }) => name),
    kept?.stage ?? 'None',
  );
}

async function readNamed(manager: EntityManager, model: ModelEntity): Promise<Named> {
  const rows = await manager.findBy(AliasEntity, { model_id: model.id, name: In([...stageAliases]) });
  const named = new Map<string, { version: number; hasTraffic: boolean }>();
  for (const { name, version_number } of rows)
    named.set(name, { version: version_number, hasTraffic: await getsTraffic(manager, model, name) });
  return Object.fromEntries(named);
}

async function writeMarks(
  { manager }: WriteContext,
  model: ModelEntity,
  marks: ReadonlyMap<number, Mark>,
): Promise<void> {
  await manager.query(
    `INSERT INTO mlflow_versions (version_id, stage)
     SELECT v.id, given.mark FROM unnest($2::int4[], $3::text[]) AS given(number, mark)
     JOIN versions v ON v.model_id = $1 AND v.number = given.number
     ON CONFLICT (version_id) DO UPDATE SET stage = excluded.stage`,
    [model.id, [...marks.keys()], [...marks.values()]],
  );
}

const archived = (model: ModelEntity, version: VersionEntity): SluiceError =>
  new SluiceError(
    'VERSION_NOT_FOUND',
    `Model Version (name=${model.name}, version=${version.number}) not found: it is archived.`,
  );
