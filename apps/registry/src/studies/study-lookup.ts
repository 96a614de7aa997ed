import { StudyEntity } from '#database/entities/run.entity';
import { SluiceError } from '#platform/errors';
import type { EntityManager } from 'typeorm';
import { outsideOf } from './search-space.js';

/** @throws SluiceError STUDY_NOT_FOUND */
export async function findStudy(manager: EntityManager, id: string): Promise<StudyEntity> {
  const row = await manager.findOneBy(StudyEntity, { id });
  if (row) return row;
  throw new SluiceError('STUDY_NOT_FOUND', `There is no study ${id}.`);
}

/** The study that a run with these params may join. @throws SluiceError STUDY_NOT_FOUND or INVALID_REQUEST */
export async function studyToJoin(
  manager: EntityManager,
  id: string,
  params: Readonly<Record<string, string>>,
): Promise<StudyEntity> {
  const study = await findStudy(manager, id);
  const reason = outsideOf(study.search_space, params);
  if (reason !== undefined) throw new SluiceError('INVALID_REQUEST', reason);
  return study;
}
