import { describe, expect, it } from 'vitest';
import { SluiceClientError } from '#client/client';
import type { QuotaCount } from '#contracts/quotas';
import { outageOf } from './quota-outage.js';

describe('an outage policy', () => {
  const lease = { gateway: 'gateway:1', held: 5, expires_at: '2026-01-01T00:00:30Z', overdue: false };
  const count: QuotaCount = {
    client_id: null,
    state: 'open',
    limit: 600,
    override_until: null,
    used: 0,
    reserved: 5,
    left: 595,
    resets_at: null,
    leases: [lease],
  };
  const refusal = (status: number, code: 'REGISTRY_UNAVAILABLE' | 'FORBIDDEN') =>
    new SluiceClientError(status, code, 'no');

  it('is in force here when the gateway cannot reach the registry, elsewhere when a lease is overdue', () => {
    expect(outageOf([count], null)).toEqual({ kind: 'none' });
    expect(outageOf([count], refusal(503, 'REGISTRY_UNAVAILABLE'))).toEqual({ kind: 'here' });
    const overdue = { ...count, leases: [lease, { ...lease, gateway: 'gateway:2', overdue: true }] };
    expect(outageOf([overdue, overdue], null)).toEqual({ kind: 'elsewhere', gateways: ['gateway:2'] });
  });

  it('is in force who knows where when the registry could not be asked', () => {
    expect(outageOf([count], refusal(403, 'FORBIDDEN'))).toEqual({ kind: 'unknown' });
    expect(outageOf(undefined, null)).toEqual({ kind: 'unknown' });
  });
});
