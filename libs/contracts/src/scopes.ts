/** The closed list of what a token may allow. `infer:<endpoint>` narrows `infer` to one endpoint; `admin` implies all but `node` and `gateway`. */
import { z } from 'zod';

export const scopes = [
  'infer',
  'models:read',
  'models:write',
  'aliases:protect',
  'runs:read',
  'runs:write',
  'endpoints:read',
  'endpoints:write',
  'nodes:read',
  'nodes:write',
  'teams:read',
  'teams:write',
  'people:read',
  'people:write',
  'clients:read',
  'clients:write',
  'quotas:read',
  'quotas:write',
  'usage:read',
  'usage:write',
  'audit:read',
  'webhooks:read',
  'webhooks:write',
  'admin',
  'node',
  'gateway',
] as const;
export type Scope = (typeof scopes)[number];

/** Scopes that only Sluice's own programs hold; a client can never be given one. */
export const machineScopes = ['node', 'gateway'] as const satisfies readonly Scope[];

const isGrantable = (text: string): boolean =>
  (scopes as readonly string[]).includes(text) && !(machineScopes as readonly string[]).includes(text);

/** A scope that a client can be given: a plain one, or `infer:<endpoint>`. */
export const GrantableScope = z
  .string()
  .max(300)
  .refine((text) => isGrantable(text) || /^infer:[^\s]+$/.test(text), {
    error: `must be one of ${scopes.filter(isGrantable).join(', ')} or infer:<endpoint>`,
  });

/** Whether the granted scopes (as listed in a token) allow `needed`. */
export function allows(granted: readonly string[], needed: Scope): boolean {
  if (granted.includes(needed)) return true;
  const isMachine = (machineScopes as readonly string[]).includes(needed);
  if (!isMachine && granted.includes('admin')) return true;
  return needed.endsWith(':read') && granted.includes(needed.replace(/:read$/, ':write'));
}

/** Whether the granted scopes allow predictions on `endpoint`. */
export function allowsInference(granted: readonly string[], endpoint: string): boolean {
  return granted.includes('infer') || granted.includes(`infer:${endpoint}`) || granted.includes('admin');
}
