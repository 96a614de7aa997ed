/** Whether a quota's outage policy holds anywhere now, as far as this page can know. Pure. */
import { SluiceClientError } from '#client/client';
import type { QuotaCount } from '#contracts/quotas';

/**
 * `here`: the gateway that serves this page cannot reach the registry. `elsewhere`: gateways did not renew their leases in time, so they
 * are gone or cut off. `unknown`: the registry could not be asked.
 */
export type Outage =
  | { readonly kind: 'none' }
  | { readonly kind: 'here' }
  | { readonly kind: 'elsewhere'; readonly gateways: readonly string[] }
  | { readonly kind: 'unknown' };

export function outageOf(counts: readonly QuotaCount[] | undefined, error: unknown): Outage {
  // Only a gateway answers with this code.
  if (error instanceof SluiceClientError && error.code === 'REGISTRY_UNAVAILABLE') return { kind: 'here' };
  if (error !== null || counts === undefined) return { kind: 'unknown' };
  const overdue = counts.flatMap(({ leases }) => leases.filter((lease) => lease.overdue));
  const gateways = [...new Set(overdue.map(({ gateway }) => gateway))].sort();
  return gateways.length > 0 ? { kind: 'elsewhere', gateways } : { kind: 'none' };
}
