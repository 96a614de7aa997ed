import { allows, allowsInference, scopes as allScopes } from '#contracts/scopes';
import type { Scope } from '#contracts/scopes';
import { SluiceError } from '#platform/errors';

const inferPrefix = 'infer:';

/** Whether one who holds `granted` may pass `wanted` on, to a token or to another client. */
export function covers(granted: readonly string[], wanted: string): boolean {
  if (granted.includes(wanted)) return true;
  if (wanted.startsWith(inferPrefix)) return allowsInference(granted, wanted.slice(inferPrefix.length));
  return (allScopes as readonly string[]).includes(wanted) && allows(granted, wanted as Scope);
}

/** The scopes of a token: all that the client has, or the subset it asks for. */
export function selectScopes(granted: readonly string[], requested: string | undefined): string[] {
  const wanted = [...new Set((requested ?? '').split(' ').filter(Boolean))];
  if (wanted.length === 0) return [...granted];
  const refused = wanted.filter((scope) => !covers(granted, scope));
  if (refused.length === 0) return wanted;
  const message = `the client does not have ${refused.join(' ')}`;
  throw new SluiceError('INVALID_REQUEST', `body.scope: ${message}`, {
    fields: [{ path: 'body.scope', message }],
  });
}
