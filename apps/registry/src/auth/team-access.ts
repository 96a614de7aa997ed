/**
 * What a caller may do to things that belong to a team. The scopes of a token say what it allows at all; the grants say in which
 * team. Pure.
 */
import { reachesAllTeams } from '#contracts/roles';
import { allows } from '#contracts/scopes';
import type { Scope } from '#contracts/scopes';
import { SluiceError } from '#platform/errors';
import { covers } from './scope-selection.js';

/** Scopes that hold in one team, or (null) in every team and for what belongs to none. */
export interface Grant {
  readonly team: string | null;
  readonly scopes: readonly string[];
}

export interface Access {
  readonly scopes: readonly string[];
  readonly grants: readonly Grant[];
}

const holdsIn = (grant: Grant, team: string | null): boolean => grant.team === null || grant.team === team;

/** @param team null: the thing belongs to no team, or to all of them */
export const mayIn = ({ scopes, grants }: Access, team: string | null, needed: Scope): boolean =>
  allows(scopes, needed) && grants.some((grant) => holdsIn(grant, team) && allows(grant.scopes, needed));

/** @throws SluiceError FORBIDDEN */
export function requireIn(access: Access, team: string | null, needed: Scope): void {
  if (mayIn(access, team, needed)) return;
  const where = team === null ? 'for all teams' : `in the team ${team}`;
  throw new SluiceError('FORBIDDEN', `This needs "${needed}" ${where}.`);
}

/** The teams in which the caller may do this; undefined: in all. */
export function teamsWith(access: Access, needed: Scope): string[] | undefined {
  if (mayIn(access, null, needed)) return undefined;
  return access.grants.flatMap(({ team }) => (team !== null && mayIn(access, team, needed) ? [team] : []));
}

/** Those of `wanted` that the caller cannot pass on to a client of `team`: nobody gives away more than he has. */
export function notCovered(access: Access, team: string | null, wanted: readonly string[]): string[] {
  const isCovered = (scope: string): boolean =>
    covers(access.scopes, scope) &&
    access.grants.some(
      (grant) => holdsIn(grant, reachesAllTeams(scope) ? null : team) && covers(grant.scopes, scope),
    );
  return wanted.filter((scope) => !isCovered(scope));
}
