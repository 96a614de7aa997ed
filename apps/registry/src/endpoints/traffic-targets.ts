/** What a traffic points at, and whether it may. Pure: the rows are read, and locked, by the caller. */
import type { Traffic, VersionRef } from '#contracts/endpoints';
import type { VersionEntity } from '#database/entities/version.entity';
import { SluiceError } from '#platform/errors';

/** The distinct references of rules, split and shadow, in order of appearance. */
export const targetsOf = ({ rules, split, shadow }: Traffic): VersionRef[] => [
  ...new Set([...rules, ...split, ...(shadow ? [shadow] : [])].map((target) => target.version)),
];

export type TargetVersion = Pick<VersionEntity, 'number' | 'status' | 'status_reason' | 'archived_at'>;

/**
 * @param aliases version numbers by alias
 * @throws SluiceError unless every target is a READY version of the model that is not archived
 */
export function requireServable(
  model: string,
  targets: readonly VersionRef[],
  aliases: ReadonlyMap<string, number>,
  versions: ReadonlyMap<number, TargetVersion>,
): void {
  for (const target of targets) {
    const number = typeof target === 'number' ? target : aliases.get(target);
    if (number === undefined)
      throw new SluiceError('ALIAS_NOT_FOUND', `The model "${model}" has no alias "${target}".`);
    const version = versions.get(number);
    if (!version)
      throw new SluiceError('VERSION_NOT_FOUND', `The model "${model}" has no version ${number}.`);
    requireReady(model, version);
  }
}

/** @throws SluiceError VERSION_NOT_READY, saying why not */
export function requireReady(model: string, version: TargetVersion): void {
  const name = `Version ${version.number} of "${model}"`;
  if (version.archived_at) throw new SluiceError('VERSION_NOT_READY', `${name} is archived.`);
  switch (version.status) {
    case 'READY':
      return;
    case 'PENDING':
      throw new SluiceError('VERSION_NOT_READY', `${name} is not READY yet: no node has loaded it so far.`);
    case 'FAILED':
      throw new SluiceError(
        'VERSION_NOT_READY',
        `${name} has FAILED: ${version.status_reason ?? 'no reason given'}`,
      );
  }
}
