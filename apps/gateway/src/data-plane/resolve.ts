/** Which version answers. */
import { resolve as resolveRoutes } from '#routing/resolve';
import type { ResolveFailure } from '#routing/resolve';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import { isTensorFlow, protocolOf } from './routes.js';
import type { InferenceRoute } from './routes.js';
import type { RoutingTable, TableEndpoint, TableVersion } from './routing-table.js';

const explanations: Readonly<Record<ResolveFailure, (endpoint: string, pin: string | undefined) => string>> =
  {
    VERSION_NOT_FOUND: (endpoint, pin) => `Endpoint "${endpoint}" has no version ${pin} that can serve.`,
    ALIAS_NOT_FOUND: (endpoint, pin) => `Endpoint "${endpoint}" has no alias "${pin}".`,
    NO_READY_REPLICA: (endpoint, pin) =>
      `No node is ready to serve ${pin === undefined ? '' : `version "${pin}" of `}endpoint "${endpoint}" now. Try again.`,
    NO_TRAFFIC: (endpoint) =>
      `Endpoint "${endpoint}" has no version released. Set its traffic first, or name a version in the path.`,
  };

/** The refusal of a route, in TensorFlow Serving's own words and statuses where the caller speaks its protocol. */
function refusalOf(route: InferenceRoute, why: ResolveFailure | 'ENDPOINT_NOT_FOUND'): Refusal {
  const { endpoint, pin, operation } = route;
  if (isTensorFlow(operation)) {
    const which = pin === undefined ? `Latest(${endpoint})` : `Specific(${endpoint}, ${pin})`;
    if (why === 'ALIAS_NOT_FOUND')
      return refusal('INVALID_REQUEST', `Unrecognized servable version label: ${pin}`);
    if (why === 'ENDPOINT_NOT_FOUND' || why === 'VERSION_NOT_FOUND')
      return refusal(why, `Servable not found for request: ${which}`);
  }
  if (why === 'ENDPOINT_NOT_FOUND') return refusal(why, `There is no endpoint "${endpoint}".`);
  return refusal(why, explanations[why](endpoint, pin));
}

/** Others could be answered: the nodes that are ready do not speak this caller's protocol. */
const notSpoken = ({ endpoint, pin, operation }: InferenceRoute): Refusal =>
  refusal(
    'NOT_SUPPORTED',
    `No node that serves ${pin === undefined ? '' : `version "${pin}" of `}endpoint "${endpoint}" speaks ${
      isTensorFlow(operation) ? "TensorFlow Serving's protocol" : 'the Open Inference Protocol'
    }.`,
  );

/** Finds the endpoint and notes it in the exchange. */
export function findEndpoint(exchange: Exchange, table: RoutingTable): TableEndpoint | Refusal {
  const endpoint = table.endpoints.get(exchange.route.endpoint);
  if (!endpoint) return refusalOf(exchange.route, 'ENDPOINT_NOT_FOUND');
  exchange.endpoint = endpoint;
  return endpoint;
}

/** Finds endpoint and version, and notes both in the exchange. */
export function resolve(
  exchange: Exchange,
  table: RoutingTable,
  claims: Readonly<Record<string, unknown>>,
  random: () => number,
): TableVersion | Refusal {
  const { route, req } = exchange;
  const endpoint = findEndpoint(exchange, table);
  if ('code' in endpoint) return endpoint;
  const wanted = { pin: route.pin, headers: req.headers, claims };
  const { target, why } = resolveRoutes(endpoint.routesFor[protocolOf(route.operation)], wanted, random);
  if (target === undefined)
    return resolveRoutes(endpoint.routes, wanted, random).target ? notSpoken(route) : refusalOf(route, why);
  exchange.version = target;
  return target;
}

/** The versions that a question about the endpoint is about, ready or not: the pinned one, or all, newest first. */
export function findVersions(
  { routesFor }: TableEndpoint,
  route: InferenceRoute,
): readonly TableVersion[] | Refusal {
  const routes = routesFor[protocolOf(route.operation)];
  const { pin } = route;
  if (pin === undefined) return [...routes.versions.values()].sort((a, b) => b.version - a.version);
  const isNumber = /^\d+$/.test(pin);
  const alias = Object.hasOwn(routes.aliases, pin) ? routes.aliases[pin] : undefined;
  const version = routes.versions.get(isNumber ? Number(pin) : (alias ?? 0));
  return version ? [version] : refusalOf(route, isNumber ? 'VERSION_NOT_FOUND' : 'ALIAS_NOT_FOUND');
}
