/**
 * The table of every control-plane route. Controllers, the OpenAPI document and the typed client are made from it;
 * a path or status is written nowhere else.
 */
import type { RouteSpec } from './route.js';
import { aliasRoutes } from './routes/aliases.js';
import { apiTokenRoutes } from './routes/api-tokens.js';
import { auditRoutes } from './routes/audit.js';
import { authRoutes } from './routes/auth.js';
import { cardRoutes } from './routes/cards.js';
import { clientRoutes } from './routes/clients.js';
import { endpointRoutes } from './routes/endpoints.js';
import { eventRoutes } from './routes/events.js';
import { externalNodeRoutes } from './routes/external-nodes.js';
import { gatewayRoutes } from './routes/gateways.js';
import { healthRoutes } from './routes/health.js';
import { issuerRoutes } from './routes/issuers.js';
import { modelLifecycleRoutes, versionLifecycleRoutes } from './routes/lifecycle.js';
import { integrityRoutes } from './routes/integrity.js';
import { lineageRoutes } from './routes/lineage.js';
import { modelRoutes } from './routes/models.js';
import { nodeRoutes } from './routes/nodes.js';
import { peopleRoutes, sessionRoutes } from './routes/people.js';
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
import { versionRoutes } from './routes/versions.js';
import { webhookRoutes } from './routes/webhooks.js';

export const routes = {
  health: healthRoutes,
  auth: authRoutes,
  models: { ...modelRoutes, ...modelLifecycleRoutes },
  versions: { ...versionRoutes, ...versionLifecycleRoutes },
  uploads: uploadRoutes,
  integrity: integrityRoutes,
  aliases: aliasRoutes,
  endpoints: endpointRoutes,
  experiments: experimentRoutes,
  runs: runRoutes,
  runLines: runLineRoutes,
  studies: studyRoutes,
  nodes: nodeRoutes,
  externalNodes: externalNodeRoutes,
  gateways: gatewayRoutes,
  signingKeys: signingKeyRoutes,
  teams: teamRoutes,
  people: peopleRoutes,
  sessions: sessionRoutes,
  signInProviders: providerRoutes,
  apiTokens: apiTokenRoutes,
  issuers: issuerRoutes,
  usage: usageRoutes,
  clients: clientRoutes,
  quotas: quotaRoutes,
  audit: auditRoutes,
  events: eventRoutes,
  webhooks: webhookRoutes,
  lineage: lineageRoutes,
  cards: cardRoutes,
  search: searchRoutes,
} as const satisfies Record<string, Record<string, RouteSpec>>;
export type Routes = typeof routes;
