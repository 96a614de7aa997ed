import { useQuery } from '@tanstack/react-query';
import { api } from '../api.js';
import { usePollMs } from '../live/use-live.js';
import { ProblemPanel } from '../parts/problem-panel.js';
import { useNow } from '../parts/use-now.js';
import { EndpointList } from './endpoint-list.js';
import { NodeList } from './node-list.js';

/** What serves: endpoints with their split and readiness, and the nodes below them. */
export function OverviewScreen() {
  const refetchInterval = usePollMs(15_000);
  const nowMs = useNow();
  const query = { page_size: 100 };
  const endpoints = useQuery({
    queryKey: ['endpoints'],
    queryFn: () => api.endpoints.list({ query }),
    refetchInterval,
  });
  const models = useQuery({
    queryKey: ['models'],
    queryFn: () => api.models.list({ query: { ...query, archived: 'any' } }),
    refetchInterval,
  });
  const nodes = useQuery({ queryKey: ['nodes'], queryFn: () => api.nodes.list({ query }), refetchInterval });
  const error = endpoints.error ?? models.error ?? nodes.error;
  return (
    <>
      <h1>Overview</h1>
      {error && <ProblemPanel error={error} stale={endpoints.data !== undefined} />}
      {endpoints.data && !models.isPending && (
        <EndpointList
          endpoints={endpoints.data.items}
          models={models.data?.items ?? []}
          nodes={nodes.data?.items}
          isMore={endpoints.data.next_page_token !== undefined}
          nowMs={nowMs}
        />
      )}
      {nodes.data && <NodeList nodes={nodes.data.items} nowMs={nowMs} />}
    </>
  );
}
