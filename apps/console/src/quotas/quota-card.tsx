import { useQuery } from '@tanstack/react-query';
import type { Quota, QuotaCount } from '#contracts/quotas';
import { api } from '../api.js';
import { Badge } from '../parts/badge.js';
import { ProblemPanel } from '../parts/problem-panel.js';
import { outageOf } from './quota-outage.js';
import type { Outage } from './quota-outage.js';
import { QuotaCountRow, shortGateway } from './quota-count-row.js';
import { inOutageText, limitText, outageNames, outageText, subjectText } from '#wording/quotas';

const shownCounts = 5;

const fullness = ({ used, reserved, limit }: QuotaCount): number =>
  limit === 0 ? 1 : (used + reserved / 1_000) / limit;

interface QuotaCardProps {
  readonly quota: Quota;
  readonly nowMs: number;
  /** How often to ask how it stands: use shows no event. */
  readonly pollMs: number;
}

/** One limit: what it says, how its counts stand, and what holds without the registry. */
export function QuotaCard({ quota, nowMs, pollMs }: QuotaCardProps) {
  const counts = useQuery({
    queryKey: ['quotas', quota.id, 'counts'],
    queryFn: () => api.quotas.counts({ params: { quota_id: quota.id }, query: { page_size: 200 } }),
    refetchInterval: pollMs,
  });
  const outage = outageOf(counts.data?.items, counts.error);
  const sorted = [...(counts.data?.items ?? [])].sort((a, b) => fullness(b) - fullness(a));
  return (
    <article className="card quota" aria-labelledby={`quota-${quota.id}`}>
      <QuotaHead quota={quota} />
      {counts.error && outage.kind !== 'here' && (
        <ProblemPanel error={counts.error} stale={sorted.length > 0} />
      )}
      <ul className="counts">
        {sorted.slice(0, shownCounts).map((count) => (
          <QuotaCountRow key={count.client_id ?? ''} quota={quota} count={count} nowMs={nowMs} />
        ))}
      </ul>
      <CountsFoot
        total={sorted.length}
        isMore={counts.data?.next_page_token !== undefined}
        isRead={counts.isFetched}
      />
      <OutageLine quota={quota} outage={outage} />
    </article>
  );
}

function QuotaHead({ quota }: { readonly quota: Quota }) {
  return (
    <header className="quota-head">
      <h2 id={`quota-${quota.id}`}>{quota.name}</h2>
      {quota.mode === 'shadow' ? (
        <Badge tone="accent" title="Counts and reports, refuses nobody">
          shadow
        </Badge>
      ) : (
        <Badge tone="plain" title="Refuses with 429 when it is used up">
          enforced
        </Badge>
      )}
      <p>
        <strong>{limitText(quota, quota.limit)}</strong> for {subjectText(quota)}
      </p>
    </header>
  );
}

interface CountsFootProps {
  readonly total: number;
  readonly isMore: boolean;
  readonly isRead: boolean;
}

function CountsFoot({ total, isMore, isRead }: CountsFootProps) {
  if (total === 0) return <p className="muted">{isRead ? 'Nobody has used it yet.' : 'Reading…'}</p>;
  if (total <= shownCounts && !isMore) return null;
  return (
    <p className="muted">
      The {shownCounts} fullest of {isMore ? `the first ${total}` : total} counts. All of them: GET
      /api/v1/quotas/…/counts
    </p>
  );
}

function OutageLine({ quota, outage }: { readonly quota: Quota; readonly outage: Outage }) {
  return (
    <p className={`outage outage-${outage.kind}`}>
      <Badge tone={outage.kind === 'none' ? 'plain' : 'warn'}>outage: {outageNames[quota.outage]}</Badge>{' '}
      {outageText(quota.outage)} <OutageNow quota={quota} outage={outage} />
    </p>
  );
}

function OutageNow({ quota, outage }: { readonly quota: Quota; readonly outage: Outage }) {
  switch (outage.kind) {
    case 'none':
      return <span className="muted">All gateways that hold some of it reach the registry.</span>;
    case 'here':
      return <strong>In force now: the gateway that serves this page {inOutageText(quota.outage)}.</strong>;
    case 'elsewhere':
      return (
        <strong>
          Perhaps in force now: {outage.gateways.map(shortGateway).join(', ')} did not renew in time, and{' '}
          {inOutageText(quota.outage)} if it still runs.
        </strong>
      );
    case 'unknown':
      return <span className="muted">Whether it is in force is not known at the moment.</span>;
  }
}
