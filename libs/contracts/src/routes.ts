/**
 * The table of every control-plane route. Controllers, the OpenAPI document and the typed client are made from it;
 * a path or status is written nowhere else.
 */
import { z } from 'zod';
import * as clients from './clients.js';
import { Sha256 } from './common.js';
import * as endpoints from './endpoints.js';
import * as models from './models.js';
import * as nodes from './nodes.js';
import { route } from './route.js';
import type { RouteSpec } from './route.js';
import { aliasRoutes } from './routes/aliases.js';
import { cardRoutes } from './routes/cards.js';
import { apiTokenRoutes } from './routes/api-tokens.js';
import { eventRoutes } from './routes/events.js';
import { externalNodeRoutes } from './routes/external-nodes.js';
import { issuerRoutes } from './routes/issuers.js';
import { peopleRoutes, sessionRoutes } from './routes/people.js';
import { lineageRoutes } from './routes/lineage.js';
import { modelLifecycleRoutes, versionLifecycleRoutes } from './routes/lifecycle.js';
import { providerRoutes } from './routes/providers.js';
import { quotaRoutes } from './routes/quotas.js';
import { runLineRoutes } from './routes/run-lines.js';
import { experimentRoutes, runRoutes } from './routes/runs.js';
import { searchRoutes } from './routes/search.js';
import { signingKeyRoutes } from './routes/signing-keys.js';
import { studyRoutes } from './routes/studies.js';
import { teamRoutes } from './routes/teams.js';
import { uploadRoutes } from './routes/uploads.js';
import { usageRoutes } from './routes/usage.js';
import { webhookRoutes } from './routes/webhooks.js';
import { Snapshot } from './snapshot.js';

const Health = z
  .object({ status: z.enum(['ok', 'unavailable']), detail: z.string().optional() })
  .meta({ id: 'Health' });

const health = {
  live: route({
    method: 'GET',
    path: '/health/live',
    summary: 'The process is alive',
    access: 'open',
    status: 200,
    response: Health,
  }),
  ready: route({
    method: 'GET',
    path: '/health/ready',
    summary: 'The process can serve: its database answers',
    access: 'open',
    status: 200,
    response: Health,
    errors: ['NOT_READY', 'DATABASE_UNAVAILABLE'],
  }),
};

const auth = {
  token: route({
    method: 'POST',
    path: '/oauth/token',
    summary: 'Issue an access token (client_credentials, refresh_token)',
    access: 'open',
    status: 200,
    body: clients.TokenRequest,
    bodyMedia: 'form',
    response: clients.TokenResponse,
    errors: ['INVALID_CLIENT', 'INVALID_GRANT', 'CLIENT_DISABLED', 'PERSON_DISABLED', 'TOO_MANY_ATTEMPTS'],
  }),
  jwks: route({
    method: 'GET',
    path: '/.well-known/jwks.json',
    summary: 'Public keys of the tokens',
    access: 'open',
    status: 200,
    response: clients.Jwks,
  }),
};

const model = {
  create: route({
    method: 'POST',
    path: '/api/v1/models',
    summary: 'Create a model, and an endpoint of the same name',
    access: 'models:write',
    status: 201,
    body: models.CreateModel,
    response: models.Model,
    errors: ['ALREADY_EXISTS'],
  }),
  list: route({
    method: 'GET',
    path: '/api/v1/models',
    summary: 'List models by name',
    access: 'models:read',
    status: 200,
    query: models.ListModels,
    response: models.ModelPage,
  }),
  read: route({
    method: 'GET',
    path: '/api/v1/models/{model}',
    summary: 'Read a model',
    access: 'models:read',
    status: 200,
    params: models.ModelParams,
    response: models.Model,
    errors: ['MODEL_NOT_FOUND'],
  }),
  update: route({
    method: 'PATCH',
    path: '/api/v1/models/{model}',
    summary: 'Change description or tags',
    access: 'models:write',
    status: 200,
    params: models.ModelParams,
    body: models.UpdateModel,
    response: models.Model,
    errors: ['MODEL_NOT_FOUND'],
  }),
  archive: route({
    method: 'POST',
    path: '/api/v1/models/{model}/archive',
    summary: 'Archive a model whose endpoints have no traffic',
    access: 'models:write',
    status: 200,
    params: models.ModelParams,
    response: models.Model,
    errors: ['MODEL_NOT_FOUND', 'VERSION_IN_USE'],
  }),
  restore: route({
    method: 'POST',
    path: '/api/v1/models/{model}/restore',
    summary: 'Bring an archived model back',
    access: 'models:write',
    status: 200,
    params: models.ModelParams,
    response: models.Model,
    errors: ['MODEL_NOT_FOUND'],
  }),
};

const version = {
  upload: route({
    method: 'POST',
    path: '/api/v1/models/{model}/versions',
    summary: 'Upload a version: multipart (a JSON part `metadata`, then files) or one streamed body',
    access: 'models:write',
    status: 201,
    params: models.ModelParams,
    query: models.UploadQuery,
    bodyMedia: 'upload',
    response: models.Version,
    errors: [
      'MODEL_NOT_FOUND',
      'MODEL_ARCHIVED',
      'DIGEST_MISMATCH',
      'UPLOAD_INCOMPLETE',
      'PAYLOAD_TOO_LARGE',
      'UNSUPPORTED_MEDIA_TYPE',
      'RUN_NOT_FOUND',
    ],
  }),
  list: route({
    method: 'GET',
    path: '/api/v1/models/{model}/versions',
    summary: 'List versions, newest first',
    access: 'models:read',
    status: 200,
    params: models.ModelParams,
    query: models.ListVersions,
    response: models.VersionPage,
    errors: ['MODEL_NOT_FOUND'],
  }),
  read: route({
    method: 'GET',
    path: '/api/v1/models/{model}/versions/{version}',
    summary: 'Read a version',
    access: 'models:read',
    status: 200,
    params: models.VersionParams,
    response: models.Version,
    errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND'],
  }),
  update: route({
    method: 'PATCH',
    path: '/api/v1/models/{model}/versions/{version}',
    summary: 'Change description or tags; nothing else of a version ever changes',
    access: 'models:write',
    status: 200,
    params: models.VersionParams,
    body: models.UpdateVersion,
    response: models.Version,
    errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND'],
  }),
  download: route({
    method: 'GET',
    path: '/api/v1/models/{model}/versions/{version}/download',
    summary: 'Download a file of a version; Range is honoured',
    access: 'models:read',
    status: 200,
    params: models.VersionParams,
    query: models.DownloadQuery,
    responseMedia: 'bytes',
    errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND', 'ARTIFACT_NOT_FOUND', 'RANGE_NOT_SATISFIABLE'],
  }),
  archive: route({
    method: 'POST',
    path: '/api/v1/models/{model}/versions/{version}/archive',
    summary: 'Archive a version that gets no traffic and has no alias',
    access: 'models:write',
    status: 200,
    params: models.VersionParams,
    response: models.Version,
    errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND', 'VERSION_IN_USE'],
  }),
  load: route({
    method: 'POST',
    path: '/api/v1/models/{model}/versions/{version}/load',
    summary: 'Hold a version on a node even while nothing refers to it, as every new version is',
    access: 'admin',
    status: 200,
    params: models.VersionParams,
    response: models.Version,
    errors: ['MODEL_NOT_FOUND', 'MODEL_ARCHIVED', 'VERSION_NOT_FOUND', 'VERSION_NOT_READY'],
  }),
  unload: route({
    method: 'POST',
    path: '/api/v1/models/{model}/versions/{version}/unload',
    summary: 'Take a version without traffic and aliases off its nodes; traffic or load brings it back',
    access: 'admin',
    status: 200,
    params: models.VersionParams,
    response: models.Version,
    errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND', 'VERSION_NOT_READY', 'VERSION_IN_USE'],
  }),
  readConfig: route({
    method: 'GET',
    path: '/api/v1/models/{model}/versions/{version}/config',
    summary: 'Read the config in force',
    access: 'models:read',
    status: 200,
    params: models.VersionParams,
    response: models.ConfigRevision,
    errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND'],
  }),
  putConfig: route({
    method: 'PUT',
    path: '/api/v1/models/{model}/versions/{version}/config',
    summary: 'Make a new config revision',
    access: 'models:write',
    status: 200,
    params: models.VersionParams,
    body: models.VersionConfig,
    response: models.ConfigRevision,
    errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND'],
  }),
  listConfigs: route({
    method: 'GET',
    path: '/api/v1/models/{model}/versions/{version}/configs',
    summary: 'List config revisions, newest first',
    access: 'models:read',
    status: 200,
    params: models.VersionParams,
    query: endpoints.HistoryQuery,
    response: models.ConfigPage,
    errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND'],
  }),
};

const endpoint = {
  create: route({
    method: 'POST',
    path: '/api/v1/endpoints',
    summary: 'Create an endpoint beside the model’s own',
    access: 'endpoints:write',
    status: 201,
    body: endpoints.CreateEndpoint,
    response: endpoints.Endpoint,
    concurrency: 'etag',
    errors: [
      'ALREADY_EXISTS',
      'MODEL_NOT_FOUND',
      'MODEL_ARCHIVED',
      'VERSION_NOT_FOUND',
      'ALIAS_NOT_FOUND',
      'VERSION_NOT_READY',
    ],
  }),
  list: route({
    method: 'GET',
    path: '/api/v1/endpoints',
    summary: 'List endpoints by name',
    access: 'endpoints:read',
    status: 200,
    query: endpoints.ListEndpoints,
    response: endpoints.EndpointPage,
  }),
  read: route({
    method: 'GET',
    path: '/api/v1/endpoints/{endpoint}',
    summary: 'Read an endpoint; the ETag is its revision',
    access: 'endpoints:read',
    status: 200,
    params: endpoints.EndpointParams,
    response: endpoints.Endpoint,
    concurrency: 'etag',
    errors: ['ENDPOINT_NOT_FOUND'],
  }),
  setTraffic: route({
    method: 'PUT',
    path: '/api/v1/endpoints/{endpoint}/traffic',
    summary: 'Replace the traffic; If-Match must hold the ETag that was read',
    access: 'endpoints:write',
    status: 200,
    params: endpoints.EndpointParams,
    body: endpoints.Traffic,
    response: endpoints.Endpoint,
    concurrency: 'etag',
    errors: [
      'ENDPOINT_NOT_FOUND',
      'MODEL_ARCHIVED',
      'VERSION_NOT_FOUND',
      'ALIAS_NOT_FOUND',
      'VERSION_NOT_READY',
      'PRECONDITION_FAILED',
      'PRECONDITION_REQUIRED',
    ],
  }),
  history: route({
    method: 'GET',
    path: '/api/v1/endpoints/{endpoint}/traffic/history',
    summary: 'List traffic revisions, newest first',
    access: 'endpoints:read',
    status: 200,
    params: endpoints.EndpointParams,
    query: endpoints.HistoryQuery,
    response: endpoints.TrafficHistory,
    errors: ['ENDPOINT_NOT_FOUND'],
  }),
};

const node = {
  list: route({
    method: 'GET',
    path: '/api/v1/nodes',
    summary: 'List nodes with their replicas',
    access: 'nodes:read',
    status: 200,
    query: nodes.ListNodes,
    response: nodes.NodePage,
  }),
  read: route({
    method: 'GET',
    path: '/api/v1/nodes/{node_id}',
    summary: 'Read a node',
    access: 'nodes:read',
    status: 200,
    params: nodes.NodeParams,
    response: nodes.NodeInfo,
    errors: ['NODE_NOT_FOUND'],
  }),
  drain: route({
    method: 'POST',
    path: '/api/v1/nodes/{node_id}/drain',
    summary: 'Take a node out of traffic and move its replicas elsewhere',
    access: 'nodes:write',
    status: 200,
    params: nodes.NodeParams,
    response: nodes.NodeInfo,
    errors: ['NODE_NOT_FOUND'],
  }),
  resume: route({
    method: 'POST',
    path: '/api/v1/nodes/{node_id}/resume',
    summary: 'Let a drained node work again',
    access: 'nodes:write',
    status: 200,
    params: nodes.NodeParams,
    response: nodes.NodeInfo,
    errors: ['NODE_NOT_FOUND'],
  }),
  register: route({
    method: 'POST',
    path: '/api/v1/nodes/register',
    summary: 'A node joins',
    access: 'join-node',
    status: 200,
    body: nodes.RegisterNode,
    response: nodes.NodeLease,
  }),
  renew: route({
    method: 'POST',
    path: '/api/v1/nodes/{node_id}/lease',
    summary: 'A node renews its lease and reports its replicas',
    access: 'node',
    status: 200,
    params: nodes.NodeParams,
    body: nodes.RenewLease,
    response: nodes.NodeLease,
    errors: ['NODE_NOT_FOUND', 'LEASE_LOST'],
  }),
  assignments: route({
    method: 'GET',
    path: '/api/v1/nodes/{node_id}/assignments',
    summary: 'A node reads what it shall hold (long poll)',
    access: 'node',
    status: 200,
    params: nodes.NodeParams,
    query: nodes.AssignmentsQuery,
    response: nodes.Assignments,
    errors: ['NODE_NOT_FOUND', 'LEASE_LOST'],
  }),
  artifact: route({
    method: 'GET',
    path: '/api/v1/artifacts/{sha256}',
    summary: 'A node fetches an artifact; Range is honoured',
    access: 'node',
    status: 200,
    params: z.object({ sha256: Sha256 }),
    responseMedia: 'bytes',
    errors: ['ARTIFACT_NOT_FOUND', 'RANGE_NOT_SATISFIABLE'],
  }),
};

const gateway = {
  register: route({
    method: 'POST',
    path: '/api/v1/gateways/register',
    summary: 'A gateway joins, or renews its credential',
    access: 'join-gateway',
    status: 200,
    body: nodes.RegisterGateway,
    response: nodes.GatewayCredential,
  }),
  snapshot: route({
    method: 'GET',
    path: '/api/v1/snapshot',
    summary: 'Read the routing table',
    access: 'gateway',
    status: 200,
    response: Snapshot,
  }),
  stream: route({
    method: 'GET',
    path: '/api/v1/snapshot/stream',
    summary: 'Follow the routing table: a `snapshot` event now and at each change',
    access: 'gateway',
    status: 200,
    responseMedia: 'event-stream',
  }),
};

const client = {
  create: route({
    method: 'POST',
    path: '/api/v1/clients',
    summary: 'Create a client; its secret is shown this one time',
    access: 'clients:write',
    status: 201,
    body: clients.CreateClient,
    response: clients.ClientWithSecret,
    errors: ['ALREADY_EXISTS', 'TEAM_NOT_FOUND'],
  }),
  list: route({
    method: 'GET',
    path: '/api/v1/clients',
    summary: 'List clients by client_id',
    access: 'clients:read',
    status: 200,
    query: clients.ListClients,
    response: clients.ClientPage,
  }),
  update: route({
    method: 'PATCH',
    path: '/api/v1/clients/{client_id}',
    summary: 'Change the name, endpoint allow-list or expiry of a client',
    access: 'clients:write',
    status: 200,
    params: clients.ClientParams,
    body: clients.UpdateClient,
    response: clients.Client,
    errors: ['CLIENT_NOT_FOUND'],
  }),
  disable: route({
    method: 'POST',
    path: '/api/v1/clients/{client_id}/disable',
    summary: 'Disable a client: its tokens stop working',
    access: 'clients:write',
    status: 200,
    params: clients.ClientParams,
    response: clients.Client,
    errors: ['CLIENT_NOT_FOUND'],
  }),
  enable: route({
    method: 'POST',
    path: '/api/v1/clients/{client_id}/enable',
    summary: 'Enable a client again',
    access: 'clients:write',
    status: 200,
    params: clients.ClientParams,
    response: clients.Client,
    errors: ['CLIENT_NOT_FOUND'],
  }),
  revokeTokens: route({
    method: 'POST',
    path: '/api/v1/clients/{client_id}/revoke-tokens',
    summary: 'Revoke every token that the client has been given so far',
    access: 'clients:write',
    status: 200,
    params: clients.ClientParams,
    response: clients.Client,
    errors: ['CLIENT_NOT_FOUND'],
  }),
  rotateSecret: route({
    method: 'POST',
    path: '/api/v1/clients/{client_id}/rotate-secret',
    summary: 'Replace the secret; the new one is shown this one time',
    access: 'clients:write',
    status: 200,
    params: clients.ClientParams,
    query: clients.RotateSecret,
    response: clients.ClientWithSecret,
    errors: ['CLIENT_NOT_FOUND'],
  }),
};

const audit = {
  list: route({
    method: 'GET',
    path: '/api/v1/audit',
    summary: 'List audit entries, newest first',
    access: 'audit:read',
    status: 200,
    query: clients.ListAudit,
    response: clients.AuditPage,
  }),
};

export const routes = {
  health,
  auth,
  models: { ...model, ...modelLifecycleRoutes },
  versions: { ...version, ...versionLifecycleRoutes },
  uploads: uploadRoutes,
  aliases: aliasRoutes,
  endpoints: endpoint,
  experiments: experimentRoutes,
  runs: runRoutes,
  runLines: runLineRoutes,
  studies: studyRoutes,
  nodes: node,
  externalNodes: externalNodeRoutes,
  gateways: gateway,
  signingKeys: signingKeyRoutes,
  teams: teamRoutes,
  people: peopleRoutes,
  sessions: sessionRoutes,
  signInProviders: providerRoutes,
  apiTokens: apiTokenRoutes,
  issuers: issuerRoutes,
  usage: usageRoutes,
  clients: client,
  quotas: quotaRoutes,
  audit,
  events: eventRoutes,
  webhooks: webhookRoutes,
  lineage: lineageRoutes,
  cards: cardRoutes,
  search: searchRoutes,
} as const satisfies Record<string, Record<string, RouteSpec>>;
export type Routes = typeof routes;
