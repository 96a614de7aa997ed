/** Roles of people: the one table that says which scopes a role is, and which of them end where the team ends. */
import { z } from 'zod';
import type { Scope } from './scopes.js';
import { TeamName } from './teams.js';

export const Role = z.enum(['viewer', 'publisher', 'operator', 'admin']);
export type Role = z.infer<typeof Role>;

const viewer: readonly Scope[] = [
  'models:read',
  'runs:read',
  'endpoints:read',
  'nodes:read',
  'teams:read',
  'clients:read',
  'quotas:read',
  'usage:read',
];
const publisher: readonly Scope[] = [...viewer, 'infer', 'models:write', 'runs:write'];
const operator: readonly Scope[] = [
  ...publisher,
  'aliases:protect',
  'endpoints:write',
  'nodes:write',
  'clients:write',
  'webhooks:write',
];
const admin: readonly Scope[] = [
  ...operator,
  'teams:write',
  'people:write',
  'quotas:write',
  'usage:write',
  'audit:read',
  'admin',
];

/** Each role can do what the one before it can. */
export const roleScopes: Readonly<Record<Role, readonly Scope[]>> = { viewer, publisher, operator, admin };

/** What belongs to no team and decides for all of them: a role in one team does not give it. */
const platformScopes: readonly Scope[] = [
  'nodes:write',
  'teams:write',
  'usage:write',
  'webhooks:write',
  'audit:read',
  'admin',
];

/** Scopes over things that belong to a team. A client's scopes hold in every team, so these reach beyond its own. */
const teamNouns: ReadonlySet<string> = new Set(['teams', 'clients', 'people', 'quotas', 'usage', 'admin']);
export const reachesAllTeams = (scope: string): boolean => teamNouns.has(scope.split(':', 1)[0] ?? '');

export const RoleGrant = z.strictObject({
  team: TeamName.nullable().describe('null: every team, and what belongs to none'),
  role: Role,
});
export type RoleGrant = z.infer<typeof RoleGrant>;

/** One role in a team at most. */
export const RoleGrants = z
  .array(RoleGrant)
  .max(200)
  .refine((grants) => new Set(grants.map(({ team }) => team)).size === grants.length, {
    error: 'must name each team once',
  });

/** The scopes of a role that is held in `team`. */
export const scopesOf = ({ team, role }: RoleGrant): readonly Scope[] =>
  team === null ? roleScopes[role] : roleScopes[role].filter((scope) => !platformScopes.includes(scope));

/** What the holder of these roles may do to things that belong to no team. */
export const scopesOfAll = (grants: readonly RoleGrant[]): Scope[] => [...new Set(grants.flatMap(scopesOf))];
