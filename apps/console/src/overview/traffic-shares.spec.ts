import { describe, expect, it } from 'vitest';
import { noTraffic } from '#contracts/endpoints';
import type { NodeInfo } from '#contracts/nodes';
import { endpointState, trafficShares } from './traffic-shares.js';

type Replica = NodeInfo['replicas'][number];

const replica = (version: number, state: Replica['state'], reason: string | null = null): Replica => ({
  model: 'iris',
  version,
  version_id: '0198f3a0-7c1e-7000-8000-5347b1d0c3e9',
  config_revision: 1,
  state,
  reason,
  next: null,
  updated_at: '2026-01-01T00:00:00Z',
});
const models = [{ name: 'iris', aliases: { champion: 2 } }];
const split = [
  { version: 1, weight: 3 },
  { version: 'champion', weight: 1 },
];
const iris = { model: 'iris', traffic: { ...noTraffic, split } };

describe('the shares of an endpoint', () => {
  it('follow aliases, and count the ready replicas of nodes that are there', () => {
    const nodes = [
      { state: 'READY', replicas: [replica(1, 'READY'), replica(2, 'FAILED', 'no such operator')] },
      { state: 'DRAINING', replicas: [replica(1, 'READY')] },
      { state: 'LOST', replicas: [replica(2, 'READY')] },
    ] as const;
    const shares = trafficShares(
      iris,
      models,
      nodes.map((node) => ({ ...node, replicas: [...node.replicas] })),
    );
    expect(shares).toEqual([
      { ref: 1, version: 1, share: 0.75, readyReplicas: 2, reasons: [] },
      { ref: 'champion', version: 2, share: 0.25, readyReplicas: 0, reasons: ['no such operator'] },
    ]);
    expect(endpointState(shares)).toBe('degraded');
  });

  it('are of unknown readiness while the nodes are', () => {
    const shares = trafficShares(iris, models, undefined);
    expect(shares.map(({ readyReplicas }) => readyReplicas)).toEqual([undefined, undefined]);
    expect(endpointState(shares)).toBe('readiness unknown');
  });

  it('are of no version when nobody knows the alias', () => {
    const [, unknown] = trafficShares(iris, [], []);
    expect(unknown).toMatchObject({ version: undefined, readyReplicas: 0 });
  });

  it('make the state of the endpoint: only versions with a share count', () => {
    const share = { ref: 1, version: 1, share: 1, readyReplicas: 1, reasons: [] };
    const idle = { ...share, share: 0, readyReplicas: 0 };
    expect(endpointState([])).toBe('no traffic');
    expect(endpointState([idle])).toBe('no traffic');
    expect(endpointState([share, idle])).toBe('serving');
    expect(endpointState([{ ...share, readyReplicas: 0 }])).toBe('down');
  });
});
