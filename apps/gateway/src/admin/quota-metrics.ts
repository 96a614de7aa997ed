/** Metrics of quotas, of what stands in for the ledger while it cannot be reached, and of usage on its way to the registry. */
import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Core } from '../data-plane/core.js';
import { addGauge, addTotal } from './collectors.js';

function addDenied(core: Core, registry: Registry): void {
  const counter = new Counter({
    name: 'sluice_gateway_quota_denied_total',
    help: 'Refused by a quota; shadow: would have been; unavailable: without the registry nobody could say',
    labelNames: ['quota', 'reason'],
    registers: [registry],
    collect() {
      counter.reset();
      for (const { quota, tally } of core.quotas.tallies()) {
        counter.inc({ quota: quota.name, reason: 'exhausted' }, tally.denied);
        counter.inc({ quota: quota.name, reason: 'unavailable' }, tally.unavailable);
        counter.inc({ quota: quota.name, reason: 'shadow' }, tally.shadowDenied);
      }
    },
  });
}

function addAlerted(core: Core, registry: Registry): void {
  const gauge = new Gauge({
    name: 'sluice_gateway_quota_alerted_share',
    help: 'The greatest share of its limit that a quota has alerted of in this window, of its fullest count; 0 without',
    labelNames: ['quota'],
    aggregator: 'max',
    registers: [registry],
    collect() {
      gauge.reset();
      for (const { quota, cells } of core.quotas.tallies())
        gauge.set({ quota: quota.name }, Math.max(0, ...[...cells].map(({ alerted }) => alerted)));
    },
  });
}

function addOutage(core: Core, registry: Registry): void {
  const gauge = new Gauge({
    name: 'sluice_gateway_quota_outage',
    help: '1 for the policy that stands in for the ledger while it cannot be reached, else 0',
    labelNames: ['quota', 'policy'],
    aggregator: 'max',
    registers: [registry],
    collect() {
      gauge.reset();
      for (const { quota } of core.quotas.tallies())
        gauge.set({ quota: quota.name, policy: quota.outage }, core.leases.unreachable ? 1 : 0);
    },
  });
  const counter = new Counter({
    name: 'sluice_gateway_quota_uncounted_total',
    help: 'Admitted without the ledger, as the outage policy of the quota allows',
    labelNames: ['quota', 'policy'],
    registers: [registry],
    collect() {
      counter.reset();
      for (const { quota, tally } of core.quotas.tallies())
        counter.inc({ quota: quota.name, policy: quota.outage }, tally.uncounted);
    },
  });
}

function addHeld(core: Core, registry: Registry): void {
  const held: Gauge<'quota'> = new Gauge({
    name: 'sluice_gateway_quota_held',
    help: 'What this gateway may spend of a quota without asking, in the unit of the quota',
    labelNames: ['quota'],
    registers: [registry],
    collect() {
      held.reset();
      for (const cell of core.quotas.cells()) held.inc({ quota: cell.quota.name }, cell.held);
    },
  });
}

function addUsage(core: Core, registry: Registry): void {
  addGauge(
    registry,
    'sluice_gateway_usage_waiting_requests',
    'Requests whose usage the registry has not been sent yet',
    () => core.usageBacklog?.waitingTotals().requests ?? 0,
  );
  addTotal(
    registry,
    'sluice_gateway_usage_lost_requests_total',
    'Requests whose usage found no room on disk while the registry was away',
    () => core.usageBacklog?.lost.requests ?? 0,
  );
}

export function addQuotaMetrics(core: Core, registry: Registry): void {
  addDenied(core, registry);
  addAlerted(core, registry);
  addOutage(core, registry);
  addHeld(core, registry);
  addUsage(core, registry);
  addTotal(
    registry,
    'sluice_gateway_quota_lease_calls_total',
    'Lease calls that the registry answered',
    () => core.leases.answered,
  );
  addGauge(
    registry,
    'sluice_gateway_quota_ledger_reachable',
    '1 while the registry answers lease calls, else 0: then the outage policy of each quota holds',
    () => (core.leases.unreachable ? 0 : 1),
    'min',
  );
}
