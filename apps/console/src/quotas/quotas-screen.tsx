import { useQuery } from '@tanstack/react-query';
import { SluiceClientError } from '#client/client';
import { api } from '../api.js';
import { usePollMs } from '../live/use-live.js';
import { EmptyState } from '../parts/empty-state.js';
import { ProblemPanel } from '../parts/problem-panel.js';
import { useNow } from '../parts/use-now.js';
import { ExplainBox } from './explain-box.js';
import { QuotaCard } from './quota-card.js';

/** The more there are, the less often: ten calls a second are enough for a page. */
const pollMsOf = (quotas: number): number => Math.max(2_000, quotas * 100);

/** Every limit, how full it is, and why a caller was refused. */
export function QuotasScreen() {
  const refetchInterval = usePollMs(30_000);
  const nowMs = useNow();
  const { data, error } = useQuery({
    queryKey: ['quotas'],
    queryFn: () => api.quotas.list({ query: { page_size: 100 } }),
    refetchInterval,
  });
  const isCutOff = error instanceof SluiceClientError && error.code === 'REGISTRY_UNAVAILABLE';
  return (
    <>
      <h1>Quotas</h1>
      {isCutOff && <OutageNotice />}
      {error && !isCutOff && <ProblemPanel error={error} stale={data !== undefined} />}
      <ExplainBox nowMs={nowMs} />
      {data?.items.length === 0 && (
        <EmptyState title="Nothing is limited">
          Make a quota:{' '}
          <code>{'POST /api/v1/quotas {"name":"per-minute","window":"minute","limit":600}'}</code>
        </EmptyState>
      )}
      <div className="quotas">
        {data?.items.map((quota) => (
          <QuotaCard key={quota.id} quota={quota} nowMs={nowMs} pollMs={pollMsOf(data.items.length)} />
        ))}
      </div>
      {data?.next_page_token !== undefined && (
        <p className="muted">
          These are the first {data.items.length} quotas. All of them: sluice quotas list
        </p>
      )}
    </>
  );
}

function OutageNotice() {
  return (
    <div className="problem problem-warn" role="alert">
      <strong>The registry cannot be reached</strong>
      <p>
        Predictions go on. The outage policy of each quota below is in force at the gateway that serves this
        page; the counts were true before that.
      </p>
    </div>
  );
}
