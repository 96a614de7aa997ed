import type { NodeInfo } from '#contracts/nodes';
import { Badge } from '../parts/badge.js';
import type { Tone } from '../parts/badge.js';
import { Moment } from '../parts/moment.js';
import { bytesText } from '#wording/text';

const tones: Readonly<Record<NodeInfo['state'], Tone>> = { READY: 'good', DRAINING: 'warn', LOST: 'bad' };

interface NodeListProps {
  readonly nodes: readonly NodeInfo[];
  readonly nowMs: number;
}

export function NodeList({ nodes, nowMs }: NodeListProps) {
  return (
    <section aria-labelledby="nodes-title">
      <h2 id="nodes-title">
        Nodes <span className="muted">{nodes.length}</span>
      </h2>
      <ul className="cards">
        {nodes.map((node) => (
          <NodeCard key={node.id} node={node} nowMs={nowMs} />
        ))}
      </ul>
      {nodes.length === 0 && (
        <p className="card">
          No node has joined: nothing can be checked or served. Start one with the join token.
        </p>
      )}
    </section>
  );
}

function NodeCard({ node, nowMs }: { readonly node: NodeInfo; readonly nowMs: number }) {
  return (
    <li className="card node">
      <div className="endpoint-head">
        <h3>{node.name}</h3>
        <Badge tone={tones[node.state]}>{node.state}</Badge>
        {node.cordoned && <Badge title="Drained by an operator; resume lifts it">cordoned</Badge>}
      </div>
      <p className="muted">
        {node.capacity ? capacityText(node.capacity) : 'external'} · {node.address} · joined{' '}
        <Moment at={node.created_at} nowMs={nowMs} />
      </p>
      <ul className="replicas">
        {node.replicas.map((replica) => (
          <li key={replica.version_id}>
            {replica.model}/{replica.version} <Badge tone={replicaTone(replica.state)}>{replica.state}</Badge>
            {replica.reason !== null && <p className="replica-reason">{replica.reason}</p>}
          </li>
        ))}
        {node.replicas.length === 0 && <li className="muted">holds nothing</li>}
      </ul>
    </li>
  );
}

const capacityText = ({ cores, memory_bytes }: NonNullable<NodeInfo['capacity']>): string =>
  `${cores} ${cores === 1 ? 'core' : 'cores'} · ${bytesText(memory_bytes)}`;

function replicaTone(state: NodeInfo['replicas'][number]['state']): Tone {
  switch (state) {
    case 'READY':
      return 'good';
    case 'FAILED':
      return 'bad';
    case 'ASSIGNED':
    case 'FETCHING':
    case 'LOADING':
    case 'DRAINING':
      return 'warn';
  }
}
