/** Who may do what to a person. Nobody gives away a role that he does not cover, nor takes over someone who can do more. Pure. */
import type { Person } from '#contracts/people';
import { scopesOf } from '#contracts/roles';
import type { RoleGrant } from '#contracts/roles';
import { SluiceError } from '#platform/errors';
import type { Access } from '../auth/team-access.js';
import { mayIn, notCovered } from '../auth/team-access.js';

const mayGive = (caller: Access, grant: RoleGrant): boolean =>
  mayIn(caller, grant.team, 'people:write') && notCoveredRole(caller, grant).length === 0;

/** Unlike a client's, the scopes of a role end where its team ends. */
function notCoveredRole(caller: Access, grant: RoleGrant): string[] {
  const inTeam = caller.grants.filter(({ team }) => team === null || team === grant.team);
  return notCovered(
    { scopes: caller.scopes, grants: inTeam.map(({ scopes }) => ({ team: null, scopes })) },
    null,
    scopesOf(grant),
  );
}

/** Someone without a role belongs to no team. @throws SluiceError FORBIDDEN */
export function requirePower(caller: Access, roles: readonly RoleGrant[]): void {
  const isAllowed =
    roles.length === 0 ? mayIn(caller, null, 'people:write') : roles.every((grant) => mayGive(caller, grant));
  if (isAllowed) return;
  throw new SluiceError('FORBIDDEN', 'This takes the right to give every role that the person has.');
}

/** Whether the caller may see the person: in all teams, or in one of the person's. */
export const maySee = (caller: Access, { roles }: Pick<Person, 'roles'>): boolean =>
  mayIn(caller, null, 'people:read') || roles.some(({ team }) => mayIn(caller, team, 'people:read'));

/** The grants that are in one list only: what a change takes away or gives. */
export function changedGrants(before: readonly RoleGrant[], after: readonly RoleGrant[]): RoleGrant[] {
  const isIn = (grants: readonly RoleGrant[], { team, role }: RoleGrant): boolean =>
    grants.some((grant) => grant.team === team && grant.role === role);
  return [...before.filter((grant) => !isIn(after, grant)), ...after.filter((grant) => !isIn(before, grant))];
}
