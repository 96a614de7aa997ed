/**
 * Triton's model repository calls, mapped to the registry: load holds a version on a node, unload lets go of it. The registry
 * decides with the caller's own token; nothing changes here before the next snapshot.
 */
import { z } from 'zod';
import { SluiceClientError, createClient } from '#client/client';
import { sluiceHeaders } from '#contracts/oip';
import { allows } from '#contracts/scopes';
import { bearerToken } from '#platform/tokens';
import { authorize } from './authorize.js';
import type { Core } from './core.js';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import { identified } from './pipeline.js';
import { readJson } from './read-json.js';
import { answerJson, refuse } from './respond.js';
import type { RepositoryAction } from './routes.js';
import type { RoutingTable, TableEndpoint } from './routing-table.js';

/** `version` is ours: without it, load takes the newest version and unload all of them. */
const RepositoryRequest = z.looseObject({
  parameters: z
    .looseObject({ version: z.union([z.int().min(1), z.string().regex(/^[1-9]\d{0,9}$/)]).optional() })
    .default({}),
});

const timeoutMs = 10_000;

/** `POST /v2/repository/models/{endpoint}/load|unload` */
export function changeRepository(
  core: Core,
  exchange: Exchange,
  action: RepositoryAction,
  endpoint: string,
): void {
  if (exchange.req.method !== 'POST')
    return refuse(exchange, core, refusal('METHOD_NOT_ALLOWED', 'Use POST on this path.', ['allow', 'POST']));
  identified(core, exchange, (identity, table) => {
    const forbidden = authorize(identity, undefined, table, Date.now());
    if (forbidden) return refuse(exchange, core, forbidden);
    if (!allows(identity.scopes, 'admin'))
      return refuse(exchange, core, refusal('FORBIDDEN', `To ${action} versions, a token needs "admin".`));
    readJson(core, exchange, RepositoryRequest, ({ parameters }) => {
      const change = planChange(table, endpoint, action, parameters);
      if ('code' in change) return refuse(exchange, core, change);
      void carryOut(core, exchange, action, change);
    });
  });
}

interface Change {
  readonly model: string;
  readonly versions: readonly number[];
}

/** What a call means. A body that brings a model or config of its own is refused: versions are uploaded to the registry. */
function planChange(
  table: RoutingTable,
  name: string,
  action: RepositoryAction,
  parameters: Readonly<Record<string, unknown>>,
): Change | Refusal {
  const foreign = Object.keys(parameters).find((key) => key === 'config' || key.startsWith('file:'));
  if (foreign !== undefined)
    return refusal('INVALID_REQUEST', `Parameter "${foreign}" is not supported: upload a version instead.`);
  const endpoint = table.endpoints.get(name);
  if (!endpoint) return refusal('ENDPOINT_NOT_FOUND', `There is no endpoint "${name}".`);
  const versions = chooseVersions(endpoint, action, parameters['version']);
  if (versions.length > 0) return { model: endpoint.model, versions };
  return refusal('VERSION_NOT_FOUND', `Endpoint "${name}" has no such version that could serve.`);
}

function chooseVersions({ routes }: TableEndpoint, action: RepositoryAction, wanted: unknown): number[] {
  const all = [...routes.versions.keys()].sort((a, b) => b - a);
  if (wanted !== undefined) return all.filter((version) => version === Number(wanted));
  return action === 'load' ? all.slice(0, 1) : all;
}

async function carryOut(
  core: Core,
  exchange: Exchange,
  action: RepositoryAction,
  { model, versions }: Change,
): Promise<void> {
  const token = bearerToken(exchange.req.headers.authorization ?? '') ?? '';
  const client = createClient({ baseUrl: core.settings.registryUrl, token: () => token });
  try {
    for (const version of versions)
      await client.versions[action]({
        params: { model, version: String(version) },
        headers: { [sluiceHeaders.requestId]: exchange.requestId },
        signal: AbortSignal.timeout(timeoutMs),
      });
    answerJson(exchange, core, 200, {});
  } catch (error) {
    refuse(exchange, core, reasonOf(error));
    if (!(error instanceof SluiceClientError)) core.logger.warn({ err: error }, 'the registry failed');
  }
}

function reasonOf(error: unknown): Refusal {
  if (error instanceof SluiceClientError && error.problem)
    return refusal(error.problem.code, error.problem.detail);
  return refusal(
    'REGISTRY_UNAVAILABLE',
    'The registry does not answer. Nothing is known to have changed; try again.',
  );
}
