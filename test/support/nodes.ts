/** Nodes as the registry sees them: they register, renew and read assignments over HTTP, and load nothing. */
import type { SluiceClient } from '#client/client';
import type { Assignments, NodeLease, ReplicaReport } from '#contracts/nodes';
import type { Profile, Signature } from '#contracts/tensors';
import { nodeJoinToken } from './registry.js';
import type { TestRegistry } from './registry.js';

export const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }],
  outputs: [{ name: 'y', datatype: 'INT64', shape: [-1] }],
};
export const profile: Profile = {
  load_ms: 5,
  warmup_ms: 1,
  latency_ms: 0.2,
  memory_bytes: 1_000_000,
  onnxruntime_version: '1.30.0',
};

export const report = (
  versionId: string,
  state: ReplicaReport['state'],
  over: Partial<ReplicaReport> = {},
): ReplicaReport => ({
  version_id: versionId,
  config_revision: 1,
  state,
  reason: null,
  permanent: false,
  signature: state === 'READY' ? signature : null,
  profile: state === 'READY' ? profile : null,
  ...over,
});

export interface TestNode {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly lease: NodeLease;
  readonly client: SluiceClient;
  renew(replicas: readonly ReplicaReport[], draining?: boolean): Promise<NodeLease>;
  assignments(after?: number, waitMs?: number, signal?: AbortSignal): Promise<Assignments>;
}

let nextPort = 20_000;

export async function joinNode(
  registry: TestRegistry,
  name: string,
  memoryBytes = 8_000_000_000,
): Promise<TestNode> {
  const address = `http://127.0.0.1:${(nextPort += 1)}`;
  const body = { name, address, capacity: { cores: 2, memory_bytes: memoryBytes }, program_version: '0.1.0' };
  const lease = await registry.clientWith(nodeJoinToken).nodes.register({ body });
  const client = registry.clientWith(lease.credential);
  const params = { node_id: lease.node_id };
  return {
    id: lease.node_id,
    name,
    address,
    lease,
    client,
    renew: (replicas, draining = false) =>
      client.nodes.renew({ params, body: { draining, replicas: [...replicas] } }),
    assignments: (after = 0, waitMs = 0, signal) =>
      client.nodes.assignments({ params, query: { after, wait_ms: waitMs }, ...(signal ? { signal } : {}) }),
  };
}
