import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import type { Version } from '#contracts/models';
import type { TensorSpec } from '#contracts/tensors';
import { bytesText } from '#wording/text';
import { api } from '../api.js';
import { usePollMs } from '../live/use-live.js';
import { Badge } from '../parts/badge.js';
import type { Tone } from '../parts/badge.js';
import { EmptyState } from '../parts/empty-state.js';
import { Moment } from '../parts/moment.js';
import { ProblemPanel } from '../parts/problem-panel.js';
import { useNow } from '../parts/use-now.js';

/** One model's versions, newest first: what each takes and gives, and why one failed. */
export function ModelScreen({ name }: { readonly name: string }) {
  const refetchInterval = usePollMs(15_000);
  const nowMs = useNow();
  const { data, error } = useQuery({
    queryKey: ['models', name, 'versions'],
    queryFn: () => api.versions.list({ params: { model: name }, query: { page_size: 50 } }),
    refetchInterval,
  });
  return (
    <>
      <p>
        <Link href="/models">Models</Link>
      </p>
      <h1>{name}</h1>
      {error && <ProblemPanel error={error} stale={data !== undefined} />}
      {data?.items.length === 0 && (
        <EmptyState title="It has no versions yet">
          Upload one: <code>curl -F file=@model.onnx …/api/v1/models/{name}/versions</code>
        </EmptyState>
      )}
      <ul className="versions">
        {data?.items.map((version) => (
          <VersionCard key={version.id} version={version} nowMs={nowMs} />
        ))}
      </ul>
      {data?.next_page_token !== undefined && (
        <p className="muted">
          These are the newest {data.items.length}. All of them: sluice versions list {name}
        </p>
      )}
    </>
  );
}

const tones: Readonly<Record<Version['status'], Tone>> = { PENDING: 'warn', READY: 'good', FAILED: 'bad' };

function VersionCard({ version, nowMs }: { readonly version: Version; readonly nowMs: number }) {
  return (
    <li className="card model">
      <div className="endpoint-head">
        <h2>Version {version.version}</h2>
        <Badge tone={tones[version.status]}>{version.status}</Badge>
        {version.external && <Badge>external</Badge>}
        {version.aliases.map((alias) => (
          <Badge key={alias} tone="accent">
            {alias}
          </Badge>
        ))}
      </div>
      {version.status_reason !== null && <p className="replica-reason">{version.status_reason}</p>}
      {version.description !== '' && <p>{version.description}</p>}
      <Signature version={version} />
      <p className="muted">
        by {version.created_by}, <Moment at={version.created_at} nowMs={nowMs} />
      </p>
    </li>
  );
}

function Signature({ version: { signature, profile } }: { readonly version: Version }) {
  if (!signature) return null;
  return (
    <dl className="facts">
      <dt>Takes</dt>
      <dd>{signature.inputs.map(tensorText).join(', ')}</dd>
      <dt>Gives</dt>
      <dd>{signature.outputs.map(tensorText).join(', ')}</dd>
      {profile && (
        <>
          <dt>Measured</dt>
          <dd>
            {profile.latency_ms.toFixed(2)} ms a run, {bytesText(profile.memory_bytes)} of memory
          </dd>
        </>
      )}
    </dl>
  );
}

const tensorText = ({ name, datatype, shape }: TensorSpec): string =>
  `${name} ${datatype}[${shape.map((size) => (size === -1 ? 'n' : size)).join(', ')}]`;
