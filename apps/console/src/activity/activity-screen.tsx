import { useQuery } from '@tanstack/react-query';
import { useSearchParams } from 'wouter';
import { api } from '../api.js';
import { useLive } from '../live/use-live.js';
import { EmptyState } from '../parts/empty-state.js';
import { useNow } from '../parts/use-now.js';
import { mergeActivity, nounOf } from './activity.js';
import { ActivityList } from './activity-list.js';

/** What changed, as it happens; before that what the audit log tells to those who may read it. */
export function ActivityScreen() {
  const { changes } = useLive();
  const nowMs = useNow();
  const [search, setSearch] = useSearchParams();
  const audit = useQuery({
    queryKey: ['audit'],
    queryFn: () => api.audit.list({ query: { page_size: 100 } }),
    staleTime: Infinity,
  });
  const all = mergeActivity(changes, audit.data?.items ?? []);
  const nouns = [...new Set(all.map(({ type }) => nounOf(type)))].sort();
  const chosen = search.get('noun') ?? '';
  const shown = all.filter(({ type }) => chosen === '' || nounOf(type) === chosen);
  return (
    <>
      <div className="screen-head">
        <h1>Activity</h1>
        <label className="inline">
          Show
          <select
            value={chosen}
            onChange={(event) => setSearch(choice(event.target.value), { replace: true })}
          >
            <option value="">everything</option>
            {nouns.map((noun) => (
              <option key={noun}>{noun}</option>
            ))}
          </select>
        </label>
      </div>
      {shown.length > 0 ? (
        <ActivityList entries={shown} nowMs={nowMs} />
      ) : (
        <EmptyState title="Nothing has changed yet">
          Uploads, releases, quotas, nodes: what happens from now on shows here at once.
        </EmptyState>
      )}
    </>
  );
}

const choice = (noun: string): Record<string, string> => (noun === '' ? {} : { noun });
