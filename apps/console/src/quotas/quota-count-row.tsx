import type { HeldLease, Quota, QuotaCount } from '#contracts/quotas';
import { Badge } from '../parts/badge.js';
import { spanText } from '#wording/text';
import { QuotaBar } from './quota-bar.js';
import { amountText, usedText } from '#wording/quotas';

interface QuotaCountRowProps {
  readonly quota: Quota;
  readonly count: QuotaCount;
  readonly nowMs: number;
}

/** One count: whose, how full, when it begins anew, and which gateways hold what. */
export function QuotaCountRow({ quota, count, nowMs }: QuotaCountRowProps) {
  return (
    <li className="count">
      <div className="count-head">
        <span className="count-who">{count.client_id ?? quota.client_id ?? 'all together'}</span>
        <CountState count={count} />
        <span className="count-sum">
          <strong>{usedText(quota.unit, count.used)}</strong> of {amountText(quota.unit, count.limit)}
        </span>
      </div>
      <QuotaBar unit={quota.unit} standing={count} />
      <p className="muted count-foot">
        {amountText(quota.unit, count.left)} left{resetText(count, nowMs)}
        {count.override_until !== null && ` · limit overridden until ${timeOf(count.override_until)}`}
        {count.leases.map((lease) => (
          <Lease key={lease.gateway} lease={lease} unit={quota.unit} />
        ))}
      </p>
    </li>
  );
}

const timeOf = (at: string): string => new Date(at).toLocaleString();

const resetText = ({ resets_at: at }: QuotaCount, nowMs: number): string =>
  at === null ? '' : ` · begins anew in ${spanText(Date.parse(at) - nowMs)}`;

function CountState({ count: { state } }: { readonly count: QuotaCount }) {
  switch (state) {
    case 'open':
      return null;
    case 'reserved':
      return <Badge tone="warn">all in the hands of gateways</Badge>;
    case 'exhausted':
      return <Badge tone="bad">used up</Badge>;
  }
}

/** The first block of the identifier is enough to tell gateways apart. */
export const shortGateway = (gateway: string): string =>
  gateway.replace(/^gateway:([0-9a-f]{8}).*$/, 'gateway $1');

function Lease({ lease, unit }: { readonly lease: HeldLease; readonly unit: Quota['unit'] }) {
  return (
    <span className="lease" title={lease.gateway}>
      {' · '}
      {shortGateway(lease.gateway)} holds {amountText(unit, lease.held)}
      {lease.overdue && <Badge tone="warn">silent</Badge>}
    </span>
  );
}
