import { Link } from 'wouter';
import type { Endpoint } from '#contracts/endpoints';
import type { Model } from '#contracts/models';
import type { NodeInfo } from '#contracts/nodes';
import { modelAddress } from '../models/model-address.js';
import { Badge } from '../parts/badge.js';
import type { Tone } from '../parts/badge.js';
import { EmptyState } from '../parts/empty-state.js';
import { Moment } from '../parts/moment.js';
import { percentText } from '#wording/text';
import { endpointState, trafficShares } from './traffic-shares.js';
import type { EndpointState, TrafficShare } from './traffic-shares.js';

interface EndpointListProps {
  readonly endpoints: readonly Endpoint[];
  readonly models: readonly Model[];
  readonly nodes: readonly NodeInfo[] | undefined;
  readonly isMore: boolean;
  readonly nowMs: number;
}

export function EndpointList({ endpoints, models, nodes, isMore, nowMs }: EndpointListProps) {
  if (endpoints.length === 0)
    return (
      <EmptyState title="There are no endpoints yet">
        A model brings one of its name: <code>{'POST /api/v1/models {"name":"flowers"}'}</code>
      </EmptyState>
    );
  return (
    <section aria-labelledby="endpoints-title">
      <h2 id="endpoints-title">
        Endpoints <span className="muted">{isMore ? `first ${endpoints.length}` : endpoints.length}</span>
      </h2>
      <ul className="cards">
        {endpoints.map((endpoint) => (
          <EndpointCard
            key={endpoint.id}
            endpoint={endpoint}
            shares={trafficShares(endpoint, models, nodes)}
            nowMs={nowMs}
          />
        ))}
      </ul>
    </section>
  );
}

const tones: Readonly<Record<EndpointState, Tone>> = {
  serving: 'good',
  degraded: 'warn',
  down: 'bad',
  'no traffic': 'plain',
  'readiness unknown': 'plain',
};

interface EndpointCardProps {
  readonly endpoint: Endpoint;
  readonly shares: readonly TrafficShare[];
  readonly nowMs: number;
}

function EndpointCard({ endpoint, shares, nowMs }: EndpointCardProps) {
  const state = endpointState(shares);
  return (
    <li className="card endpoint">
      <div className="endpoint-head">
        <h3>{endpoint.name}</h3>
        <Badge tone={tones[state]}>{state}</Badge>
        <Link className="muted" href={modelAddress(endpoint.model)}>
          {endpoint.model === endpoint.name ? 'versions' : `versions of ${endpoint.model}`}
        </Link>
      </div>
      {shares.length > 0 && <Split shares={shares} />}
      <p className="muted">
        <Extras endpoint={endpoint} />
        revision {endpoint.revision} by {endpoint.updated_by},{' '}
        <Moment at={endpoint.updated_at} nowMs={nowMs} />
      </p>
    </li>
  );
}

function Extras({ endpoint: { traffic } }: { readonly endpoint: Endpoint }) {
  const { rules, shadow, sticky, hedge } = traffic;
  const words = [
    rules.length > 0
      ? `${rules.length} ${rules.length === 1 ? 'rule' : 'rules'} before the split`
      : undefined,
    shadow ? `${percentText(shadow.share)} copied to ${refText(shadow.version)}` : undefined,
    sticky ? `sticky by ${sticky.by} ${sticky.name}` : undefined,
    hedge ? 'second requests when slow' : undefined,
  ].filter((word) => word !== undefined);
  return words.length > 0 ? <>{words.join(' · ')} · </> : null;
}

const refText = (ref: number | string): string => (typeof ref === 'number' ? `version ${ref}` : ref);

function Split({ shares }: { readonly shares: readonly TrafficShare[] }) {
  return (
    <>
      <SplitBar shares={shares} />
      <ul className="shares">
        {shares.map((share, index) => (
          <ShareRow key={share.ref} share={share} index={index} />
        ))}
      </ul>
    </>
  );
}

function SplitBar({ shares }: { readonly shares: readonly TrafficShare[] }) {
  const words = shares.map(({ ref, share }) => `${refText(ref)} ${percentText(share)}`).join(', ');
  return (
    <div className="split-bar" role="img" aria-label={words}>
      {shares.map(({ ref, share }, index) => (
        <span key={ref} className={`fill share-${index % 5}`} style={{ width: `${share * 100}%` }} />
      ))}
    </div>
  );
}

function ShareRow({ share, index }: { readonly share: TrafficShare; readonly index: number }) {
  const { ref, version } = share;
  const alias = typeof ref === 'string' && version !== undefined ? ` (version ${version})` : '';
  return (
    <li>
      <span className={`dot share-${index % 5}`} aria-hidden="true" />
      <span>
        {refText(ref)}
        {alias}
      </span>
      <strong>{percentText(share.share)}</strong>
      <Readiness share={share} />
    </li>
  );
}

function Readiness({ share: { share, readyReplicas, reasons } }: { readonly share: TrafficShare }) {
  if (readyReplicas === undefined) return null;
  if (readyReplicas > 0)
    return (
      <span className="muted">
        {readyReplicas} {readyReplicas === 1 ? 'replica' : 'replicas'} ready
      </span>
    );
  return (
    <Badge tone={share > 0 ? 'bad' : 'plain'} title={reasons.join(' ')}>
      no replica ready
    </Badge>
  );
}
