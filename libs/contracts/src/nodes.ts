/**
 * Nodes, replicas, and the calls with which nodes and gateways join and follow the registry.
 * A node registers with the join token, renews its lease with what its replicas are doing, and long-polls its assignments.
 */
import { z } from 'zod';
import { AliasName, Id, ModelName, Name, Timestamp, VersionNumber, pageOf, pageQuery } from './common.js';
import { FilePath, VersionConfig, VersionFile } from './models.js';
import { Profile, Signature } from './tensors.js';

export const NodeParams = z.object({ node_id: Id });
export const replicaStates = ['ASSIGNED', 'FETCHING', 'LOADING', 'READY', 'DRAINING', 'FAILED'] as const;
export const ReplicaState = z.enum(replicaStates);
export type ReplicaState = z.infer<typeof ReplicaState>;

/** READY takes traffic; DRAINING is leaving by order; LOST has let its lease run out, or is external and no gateway finds it ready. */
export const nodeStates = ['READY', 'DRAINING', 'LOST'] as const;
export const NodeState = z.enum(nodeStates);
export type NodeState = z.infer<typeof NodeState>;

/** A config revision that shall take the place of the one that serves, as long as it does not serve yet. */
export const NextRevision = z
  .object({ config_revision: z.int(), state: ReplicaState, reason: z.string().nullable() })
  .meta({ id: 'NextRevision' });
export type NextRevision = z.infer<typeof NextRevision>;

export const Replica = z
  .object({
    model: ModelName,
    version: VersionNumber,
    version_id: Id,
    config_revision: z.int(),
    state: ReplicaState,
    reason: z.string().nullable(),
    next: NextRevision.nullable().describe('A newer config revision that is being loaded, or has failed'),
    updated_at: Timestamp,
  })
  .meta({ id: 'Replica' });

export const NodeCapacity = z.object({ cores: z.int().min(1), memory_bytes: z.int().min(0) });
export const NodeInfo = z
  .object({
    id: Id,
    name: Name,
    address: z.url(),
    labels: z.record(z.string().max(250), z.string().max(250)),
    external: z.boolean().describe("A server that is not Sluice's own: see /api/v1/external-nodes"),
    capacity: NodeCapacity.nullable().describe('null: an external node does not tell'),
    program_version: z.string().nullable().describe('null: of an external node'),
    state: NodeState,
    cordoned: z.boolean().describe('Drained by an operator; resume lifts it'),
    lease_expires_at: Timestamp.nullable().describe('null: an external node holds none'),
    replicas: z.array(Replica),
    created_at: Timestamp,
  })
  .meta({ id: 'Node' });
export type NodeInfo = z.infer<typeof NodeInfo>;
export const ListNodes = z.strictObject({ ...pageQuery });
export const NodePage = pageOf(NodeInfo);

/** Registering under a name that exists takes the place of that node: a restarted process is the same node. */
export const RegisterNode = z.strictObject({
  name: Name,
  address: z.url({ protocol: /^https?$/ }),
  labels: z.record(z.string().max(250), z.string().max(250)).default({}),
  capacity: NodeCapacity,
  program_version: z.string().max(64),
});
export type RegisterNode = z.infer<typeof RegisterNode>;

/** `credential` is a JWT for all later calls; a fresh one comes with each renewal. */
export const NodeLease = z
  .object({
    node_id: Id,
    credential: z.string(),
    lease_ms: z.int().describe('The lease ends this long after the registry took the call'),
    renew_every_ms: z.int(),
  })
  .meta({ id: 'NodeLease' });
export type NodeLease = z.infer<typeof NodeLease>;

export const ReplicaReport = z
  .strictObject({
    version_id: Id,
    config_revision: z.int(),
    state: ReplicaState,
    reason: z.string().max(8_192).nullable().default(null),
    permanent: z
      .boolean()
      .default(false)
      .describe('FAILED for good: the model itself is bad, another try is pointless'),
    signature: Signature.nullable().default(null),
    profile: Profile.nullable().default(null),
  })
  .meta({ id: 'ReplicaReport' });
export type ReplicaReport = z.infer<typeof ReplicaReport>;

/** All replicas the node has now: what is missing here is gone. Sent on every change and at least every `renew_every_ms`. */
export const RenewLease = z.strictObject({
  draining: z.boolean().default(false).describe('The node is leaving and takes no new work'),
  replicas: z.array(ReplicaReport).max(10_000),
});
export type RenewLease = z.infer<typeof RenewLease>;

export const Assignment = z
  .object({
    version_id: Id,
    model: ModelName,
    version: VersionNumber,
    aliases: z.array(AliasName).default([]).describe('Names of the version at the moment'),
    entry_file: FilePath,
    files: z.array(VersionFile),
    config_revision: z.int(),
    config: VersionConfig,
  })
  .meta({ id: 'Assignment' });
export type Assignment = z.infer<typeof Assignment>;

/** Answered at once when `revision` differs from `after`, else when it changes or `wait_ms` is over. */
export const AssignmentsQuery = z.strictObject({
  after: z.coerce.number().int().min(0).default(0),
  wait_ms: z.coerce.number().int().min(0).max(30_000).default(0),
});
export const Assignments = z
  .object({ revision: z.int(), assignments: z.array(Assignment) })
  .meta({ id: 'Assignments' });
export type Assignments = z.infer<typeof Assignments>;

export const RegisterGateway = z.strictObject({ name: Name, program_version: z.string().max(64) });
export const GatewayCredential = z
  .object({ gateway_id: Id, credential: z.string(), expires_in: z.int().describe('Seconds') })
  .meta({ id: 'GatewayCredential' });
export type GatewayCredential = z.infer<typeof GatewayCredential>;
