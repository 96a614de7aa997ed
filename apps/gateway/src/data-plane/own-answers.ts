/** What the gateway answers by itself: health, its metadata, and what the snapshot knows of endpoints. */
import { z } from 'zod';
import { gatewayExtensions } from '#contracts/oip';
import { allowsInference } from '#contracts/scopes';
import { programVersion } from '#platform/program';
import type { Identity } from './authenticate.js';
import { authorize } from './authorize.js';
import type { Core } from './core.js';
import { refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import { identified, notReady } from './pipeline.js';
import { readJson } from './read-json.js';
import { answerIndex } from './repository-index.js';
import { answerJson, refuse } from './respond.js';
import type { OwnRoute } from './routes.js';
import type { RoutingTable, TableEndpoint } from './routing-table.js';
import { answerStatistics } from './statistics.js';

const draining = refusal('DRAINING', 'This gateway is shutting down. Use another one.');

/** Answers a path that names no endpoint. */
export function answerOwn(core: Core, exchange: Exchange, kind: OwnRoute): void {
  const methods = kind === 'index' ? 'POST' : 'GET, HEAD';
  if (!methods.split(', ').includes(exchange.req.method ?? ''))
    return refuse(
      exchange,
      core,
      refusal('METHOD_NOT_ALLOWED', `Use ${methods} on this path.`, ['allow', methods]),
    );
  if (kind === 'live') return answerJson(exchange, core, 200, { live: true });
  if (kind === 'ready')
    return core.ready
      ? answerJson(exchange, core, 200, { ready: true })
      : refuse(exchange, core, core.draining ? draining : notReady);
  identified(core, exchange, (identity, table) => {
    const forbidden = authorize(identity, undefined, table, Date.now());
    if (forbidden) refuse(exchange, core, forbidden);
    else answerCaller(core, exchange, kind, identity, table);
  });
}

function answerCaller(
  core: Core,
  exchange: Exchange,
  kind: Exclude<OwnRoute, 'live' | 'ready'>,
  identity: Identity,
  table: RoutingTable,
): void {
  switch (kind) {
    case 'server':
      return answerJson(exchange, core, 200, {
        name: core.settings.serverName,
        version: programVersion,
        extensions: gatewayExtensions,
      });
    case 'models':
      return answerJson(exchange, core, 200, {
        models: usableBy(identity, table).map((endpoint) => endpoint.name),
      });
    case 'stats':
      return answerStatistics(core, exchange, table, identity);
    case 'index':
      return readJson(core, exchange, IndexRequest, ({ ready }) => {
        void answerIndex(core, exchange, usableBy(identity, table), ready === true);
      });
  }
}

/** Triton's `ready` leaves out what is not ready; it means nothing when it is false. */
const IndexRequest = z.looseObject({ ready: z.boolean().optional() });

/** The endpoints that the caller may use. */
const usableBy = (identity: Identity, table: RoutingTable): TableEndpoint[] =>
  [...table.endpoints.values()].filter(({ name }) => allowsInference(identity.scopes, name));
