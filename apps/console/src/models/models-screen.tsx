import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import type { Model } from '#contracts/models';
import { api } from '../api.js';
import { usePollMs } from '../live/use-live.js';
import { Badge } from '../parts/badge.js';
import { EmptyState } from '../parts/empty-state.js';
import { Moment } from '../parts/moment.js';
import { ProblemPanel } from '../parts/problem-panel.js';
import { useNow } from '../parts/use-now.js';
import { modelAddress } from './model-address.js';

/** Every model, with its newest version and the names of its versions. */
export function ModelsScreen() {
  const refetchInterval = usePollMs(30_000);
  const nowMs = useNow();
  const { data, error } = useQuery({
    queryKey: ['models', 'shown'],
    queryFn: () => api.models.list({ query: { page_size: 100 } }),
    refetchInterval,
  });
  return (
    <>
      <h1>Models</h1>
      {error && <ProblemPanel error={error} stale={data !== undefined} />}
      {data?.items.length === 0 && (
        <EmptyState title="There are no models yet">
          Make one: <code>{'POST /api/v1/models {"name":"flowers"}'}</code>
        </EmptyState>
      )}
      <ul className="cards">
        {data?.items.map((model) => (
          <ModelCard key={model.id} model={model} nowMs={nowMs} />
        ))}
      </ul>
      {data?.next_page_token !== undefined && (
        <p className="muted">
          These are the first {data.items.length} models. All of them: sluice models list
        </p>
      )}
    </>
  );
}

function ModelCard({ model, nowMs }: { readonly model: Model; readonly nowMs: number }) {
  const aliases = Object.entries(model.aliases);
  return (
    <li className="card model">
      <h2>
        <Link href={modelAddress(model.name)}>{model.name}</Link>
      </h2>
      <p>{model.latest_version === null ? 'no version yet' : `newest version ${model.latest_version}`}</p>
      {aliases.length > 0 && (
        <p className="badges">
          {aliases.map(([alias, version]) => (
            <Badge key={alias} tone="accent">
              {alias} → {version}
            </Badge>
          ))}
        </p>
      )}
      <p className="muted">
        changed <Moment at={model.updated_at} nowMs={nowMs} />
      </p>
    </li>
  );
}
