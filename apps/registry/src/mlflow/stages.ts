/**
 * MLflow's stages. `Production` and `Staging` are the aliases of these names, so a stage has one version, and whatever follows the alias
 * follows the stage. `Archived` is a mark on the version, no more. Pure.
 */
import { SluiceError } from '#platform/errors';

export type Stage = 'None' | 'Staging' | 'Production' | 'Archived';
/** What a version is marked with where no alias speaks for it. */
export type Mark = Extract<Stage, 'None' | 'Archived'>;
export type StageAlias = 'staging' | 'production';

const stages: ReadonlyMap<string, Stage> = new Map(
  (['None', 'Staging', 'Production', 'Archived'] as const).map((stage) => [stage.toLowerCase(), stage]),
);
/** The later one first: a version that has both is in it. */
export const stageAliases = ['production', 'staging'] as const satisfies readonly StageAlias[];

/** @throws SluiceError INVALID_REQUEST */
export function parseStage(text: string): Stage {
  const stage = stages.get(text.toLowerCase());
  if (stage !== undefined) return stage;
  throw new SluiceError('INVALID_REQUEST', `Invalid Model Version stage: ${text.slice(0, 100)}.`);
}

export const aliasOf = (stage: Stage): StageAlias | undefined =>
  stageAliases.find((alias) => alias === stage.toLowerCase());

/** @param aliases of the version */
export function stageOf(aliases: readonly string[], mark: Mark): Stage {
  if (aliases.includes('production')) return 'Production';
  return aliases.includes('staging') ? 'Staging' : mark;
}

/** What the stages' aliases name, and which of them traffic follows. */
export type Named = Readonly<
  Partial<Record<StageAlias, { readonly version: number; readonly hasTraffic: boolean }>>
>;

export interface Transition {
  readonly leaves: readonly StageAlias[];
  readonly enters: StageAlias | undefined;
  readonly marks: ReadonlyMap<number, Mark>;
}

/**
 * A version that goes on to another stage leaves the one that it was in, but for one that traffic follows: that stays with it until another
 * version comes. Who leaves for no stage leaves all; that traffic may forbid it is not for this function to say.
 * @throws SluiceError INVALID_REQUEST
 */
export function planTransition(
  version: number,
  stage: Stage,
  named: Named,
  archivesExisting: boolean,
): Transition {
  const enters = aliasOf(stage);
  if (archivesExisting && enters === undefined)
    throw new SluiceError(
      'INVALID_REQUEST',
      `archive_existing_versions goes with Staging and Production only, not with ${stage}.`,
    );
  const leaves = stageAliases.filter((alias) => {
    const { [alias]: place } = named;
    if (alias === enters || place?.version !== version) return false;
    return enters === undefined || !place.hasTraffic;
  });
  const former = enters && named[enters]?.version;
  const marks = new Map<number, Mark>([[version, stage === 'Archived' ? 'Archived' : 'None']]);
  if (archivesExisting && former !== undefined && former !== version) marks.set(former, 'Archived');
  return { leaves, enters, marks };
}
