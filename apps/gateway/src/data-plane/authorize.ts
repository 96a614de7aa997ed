/** Whether the caller may do this: not disabled, and with a scope for the endpoint. Asked before the endpoint is looked up, so that names do not leak. */
import { allowsInference } from '#contracts/scopes';
import type { Identity } from './authenticate.js';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';

/** @param endpoint undefined: any valid token will do */
export function authorize(
  identity: Identity,
  endpoint: string | undefined,
  disabledClients: ReadonlySet<string>,
): Refusal | undefined {
  if (disabledClients.has(identity.client))
    return refusal('CLIENT_DISABLED', 'This client is disabled. Ask an administrator to enable it.');
  if (endpoint === undefined || allowsInference(identity.scopes, endpoint)) return undefined;
  return refusal(
    'FORBIDDEN',
    `The token has no scope for this endpoint. It needs "infer" or "infer:${endpoint}".`,
    ['www-authenticate', 'Bearer realm="sluice", error="insufficient_scope"'],
  );
}
