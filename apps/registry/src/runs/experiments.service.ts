import type { Page } from '#contracts/common';
import type { CreateExperiment, Experiment, ListExperiments } from '#contracts/runs';
import { ExperimentEntity } from '#database/entities/run.entity';
import { Transactions } from '#database/transactions';
import type { Actor, WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, MoreThan } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { decodePageToken, toPage } from '../http/page.js';
import { violatedConstraint } from '../http/violations.js';
import { toExperiment } from './runs.mapper.js';

/** Runs that name no experiment belong to this one; it is made when the first of them comes. */
const defaultExperiment = 'Default';

@Injectable()
export class ExperimentsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
  ) {}

  create(input: z.output<typeof CreateExperiment>, actor: Actor): Promise<z.output<typeof Experiment>> {
    return this.transactions.write(actor, (tx) => insertExperiment(tx, input));
  }

  /** By name. */
  async list(query: z.output<typeof ListExperiments>): Promise<Page<z.output<typeof Experiment>>> {
    const after = decodePageToken(query.page_token, z.tuple([z.string()]));
    const rows = await this.dataSource.getRepository(ExperimentEntity).find({
      ...(after ? { where: { name: MoreThan(after[0]) } } : {}),
      order: { name: 'ASC' },
      take: query.page_size + 1,
    });
    return toPage(rows.map(toExperiment), query.page_size, (experiment) => [experiment.name]);
  }

  /** The id of the experiment of this name. @throws SluiceError EXPERIMENT_NOT_FOUND */
  async idOf(manager: EntityManager, name: string): Promise<string> {
    if (name === defaultExperiment)
      await manager.query(
        'INSERT INTO experiments (id, name, created_at) VALUES ($1, $2, now()) ON CONFLICT (name) DO NOTHING',
        [uuidv7(), name],
      );
    const experiment = await manager.findOneBy(ExperimentEntity, { name });
    if (experiment) return experiment.id;
    throw new SluiceError('EXPERIMENT_NOT_FOUND', `There is no experiment "${name}". Create it first.`);
  }
}

/** @throws SluiceError ALREADY_EXISTS */
export async function insertExperiment(
  tx: WriteContext,
  input: z.output<typeof CreateExperiment>,
): Promise<z.output<typeof Experiment>> {
  const row: ExperimentEntity = { id: uuidv7(), ...input, created_at: new Date(), deleted_at: null };
  await tx.manager.insert(ExperimentEntity, row).catch((error: unknown) => {
    if (violatedConstraint(error) !== 'experiments_name_key') throw error;
    throw new SluiceError('ALREADY_EXISTS', `There is an experiment "${row.name}" already.`);
  });
  const experiment = toExperiment(row);
  await tx.audit({ action: 'experiment.create', subject: `experiments/${row.name}`, after: experiment });
  return experiment;
}
