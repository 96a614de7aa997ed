/** Reads everything that the routing table is made of, as of one moment: one transaction, one statement per set. */
import type { Signature } from '#contracts/tensors';
import type { Jwk } from '#contracts/clients';
import type {
  SnapshotClientLimit,
  SnapshotEndpoint,
  SnapshotExternalNode,
  SnapshotQuota,
  SnapshotTeam,
  SnapshotApiToken,
} from '#contracts/snapshot';
import type { DataSource, EntityManager } from 'typeorm';
import type { SnapshotIssuer } from '#contracts/issuers';
import { readApiTokens, readIssuers } from './identity-rows.js';
import { keptAfterRetirementMs } from '../auth/key-times.js';
import { openAuthorization } from '../external-nodes/authorization-seal.js';

export interface ModelRow {
  readonly id: string;
  readonly name: string;
  readonly aliases: Record<string, number>;
}

export interface VersionRow {
  readonly id: string;
  readonly model_id: string;
  readonly number: number;
  readonly default_timeout_ms: number;
  readonly signature: Signature | null;
}

/** A READY replica on a node that holds its lease. */
export interface ServingReplicaRow {
  readonly version_id: string;
  readonly node_id: string;
  readonly address: string;
  /** The node is drained or shutting down. */
  readonly leaving: boolean;
}

/** A version at an external node, under the name that it has there. */
export interface ExternalReplicaRow {
  readonly version_id: string;
  readonly node_id: string;
  readonly address: string;
  readonly served_model: string;
  readonly served_version: string | null;
}

/** What the registry's settings say about reading. */
export interface ReadingSettings {
  /** How long a retired key may still be needed. */
  readonly tokenTtlS: number;
  readonly masterKey: string | undefined;
}

export interface SnapshotRows {
  readonly revision: number;
  readonly keys: readonly Jwk[];
  readonly disabledClients: readonly string[];
  readonly revokedSessions: readonly string[];
  readonly issuers: readonly SnapshotIssuer[];
  readonly apiTokens: readonly SnapshotApiToken[];
  readonly teams: readonly SnapshotTeam[];
  readonly clientLimits: readonly SnapshotClientLimit[];
  readonly models: readonly ModelRow[];
  readonly versions: readonly VersionRow[];
  readonly replicas: readonly ServingReplicaRow[];
  readonly externalNodes: readonly SnapshotExternalNode[];
  readonly externalReplicas: readonly ExternalReplicaRow[];
  readonly endpoints: readonly SnapshotEndpoint[];
  readonly quotas: readonly SnapshotQuota[];
}

export function readSnapshotRows(
  dataSource: DataSource,
  { tokenTtlS, masterKey }: ReadingSettings,
): Promise<SnapshotRows> {
  return dataSource.transaction('REPEATABLE READ', async (manager) => ({
    revision: await readRevision(manager),
    keys: await readKeys(manager, tokenTtlS),
    disabledClients: await readDisabledClients(manager),
    revokedSessions: await readRevokedSessions(manager, tokenTtlS),
    issuers: await readIssuers(manager),
    apiTokens: await readApiTokens(manager),
    teams: await readTeams(manager),
    clientLimits: await readClientLimits(manager, tokenTtlS),
    models: await readModels(manager),
    versions: await readVersions(manager),
    replicas: await readReplicas(manager),
    externalNodes: await readExternalNodes(manager, masterKey),
    externalReplicas: await readExternalReplicas(manager),
    endpoints: await readEndpoints(manager),
    quotas: await readQuotas(manager),
  }));
}

export async function readRevision(manager: EntityManager): Promise<number> {
  const rows = await manager.query<{ revision: number }[]>('SELECT revision::float8 FROM snapshot_state');
  return rows[0]?.revision ?? 0;
}

async function readKeys(manager: EntityManager, tokenTtlS: number): Promise<Jwk[]> {
  const rows = await manager.query<{ public_jwk: Jwk }[]>(
    `SELECT public_jwk FROM signing_keys
     WHERE retired_at IS NULL OR retired_at > now() - $1 * interval '1 millisecond' ORDER BY created_at DESC`,
    [keptAfterRetirementMs(tokenTtlS)],
  );
  return rows.map((row) => row.public_jwk);
}

async function readDisabledClients(manager: EntityManager): Promise<string[]> {
  const rows = await manager.query<{ client_id: string }[]>(
    `SELECT client_id FROM clients WHERE disabled_at IS NOT NULL
     UNION ALL SELECT 'person:' || login FROM people WHERE disabled_at IS NOT NULL ORDER BY 1`,
  );
  return rows.map((row) => row.client_id);
}

/** Only those of which an access token can still live. */
async function readRevokedSessions(manager: EntityManager, tokenTtlS: number): Promise<string[]> {
  const rows = await manager.query<{ id: string }[]>(
    `SELECT id FROM sessions WHERE ended_at > now() - $1 * interval '1 second' ORDER BY id`,
    [tokenTtlS + 60],
  );
  return rows.map((row) => row.id);
}

const readTeams = (manager: EntityManager): Promise<SnapshotTeam[]> =>
  manager.query<SnapshotTeam[]>('SELECT name, time_zone FROM teams ORDER BY name');

/** A revocation matters for as long as a token that it revokes could live. */
async function readClientLimits(manager: EntityManager, tokenTtlS: number): Promise<SnapshotClientLimit[]> {
  const rows = await manager.query<
    {
      client_id: string;
      endpoints: string[] | null;
      expires_at: Date | null;
      tokens_valid_from: Date | null;
    }[]
  >(
    `SELECT client_id, endpoints, expires_at, tokens_valid_from FROM clients
     WHERE disabled_at IS NULL AND (endpoints IS NOT NULL OR expires_at IS NOT NULL
       OR tokens_valid_from > now() - $1 * interval '1 second')
     UNION ALL SELECT 'person:' || login, NULL, NULL, tokens_valid_from FROM people
     WHERE disabled_at IS NULL AND tokens_valid_from > now() - $1 * interval '1 second'
     ORDER BY client_id`,
    [tokenTtlS + 60],
  );
  return rows.map((row) => ({
    ...row,
    expires_at: row.expires_at?.toISOString() ?? null,
    tokens_valid_from: row.tokens_valid_from?.toISOString() ?? null,
  }));
}

const readModels = (manager: EntityManager): Promise<ModelRow[]> =>
  manager.query<ModelRow[]>(
    `SELECT m.id, m.name, COALESCE(jsonb_object_agg(a.name, a.version_number) FILTER (WHERE a.name IS NOT NULL), '{}') AS aliases
     FROM models m LEFT JOIN aliases a ON a.model_id = m.id
     WHERE m.archived_at IS NULL GROUP BY m.id ORDER BY m.name`,
  );

const readVersions = (manager: EntityManager): Promise<VersionRow[]> =>
  manager.query<VersionRow[]>(
    `SELECT v.id, v.model_id, v.number, (c.config->>'default_timeout_ms')::int AS default_timeout_ms, v.signature
     FROM versions v JOIN config_revisions c ON c.version_id = v.id AND c.revision = v.config_revision
     WHERE v.status = 'READY' AND v.archived_at IS NULL ORDER BY v.number`,
  );

const readReplicas = (manager: EntityManager): Promise<ServingReplicaRow[]> =>
  manager.query<ServingReplicaRow[]>(
    `SELECT r.version_id, n.id AS node_id, n.address, (n.cordoned OR n.state = 'DRAINING') AS leaving
     FROM replicas r JOIN nodes n ON n.id = r.node_id
     WHERE r.wanted AND r.state = 'READY' AND n.state IN ('READY', 'DRAINING') ORDER BY n.id`,
  );

async function readExternalNodes(
  manager: EntityManager,
  masterKey: string | undefined,
): Promise<SnapshotExternalNode[]> {
  const rows = await manager.query<SnapshotExternalNode[]>(
    'SELECT id AS node_id, "authorization", ca_pem, server_name, protocols FROM external_nodes ORDER BY id',
  );
  return rows.map((row) => ({
    ...row,
    authorization: row.authorization && openAuthorization(row.authorization, row.node_id, masterKey),
  }));
}

const readExternalReplicas = (manager: EntityManager): Promise<ExternalReplicaRow[]> =>
  manager.query<ExternalReplicaRow[]>(
    `SELECT r.version_id, n.id AS node_id, n.address, r.served_model, r.served_version
     FROM external_replicas r JOIN external_nodes n ON n.id = r.node_id ORDER BY n.id`,
  );

const readEndpoints = (manager: EntityManager): Promise<SnapshotEndpoint[]> =>
  manager.query<SnapshotEndpoint[]>(
    `SELECT e.name, m.name AS model, e.traffic
     FROM endpoints e JOIN models m ON m.id = e.model_id WHERE m.archived_at IS NULL ORDER BY e.name`,
  );

const readQuotas = (manager: EntityManager): Promise<SnapshotQuota[]> =>
  manager.query<SnapshotQuota[]>(
    `SELECT id, name, team, client_id, endpoint, unit, "window", "limit"::float8, refill_per_second, per_client, mode,
       outage, revision FROM quotas ORDER BY id`,
  );
