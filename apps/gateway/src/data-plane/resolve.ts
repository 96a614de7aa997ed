/** Which version answers. */
import { resolve as resolveRoutes } from '#routing/resolve';
import type { ResolveFailure } from '#routing/resolve';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import type { RoutingTable, TableVersion } from './routing-table.js';

const explanations: Readonly<Record<ResolveFailure, (endpoint: string, pin: string | undefined) => string>> =
  {
    VERSION_NOT_FOUND: (endpoint, pin) => `Endpoint "${endpoint}" has no version ${pin} that can serve.`,
    ALIAS_NOT_FOUND: (endpoint, pin) => `Endpoint "${endpoint}" has no alias "${pin}".`,
    NO_READY_REPLICA: (endpoint, pin) =>
      `No node is ready to serve ${pin === undefined ? '' : `version "${pin}" of `}endpoint "${endpoint}" now. Try again.`,
    NO_TRAFFIC: (endpoint) =>
      `Endpoint "${endpoint}" has no version released. Set its traffic first, or name a version in the path.`,
  };

/** Finds endpoint and version, and notes both in the exchange. */
export function resolve(
  exchange: Exchange,
  table: RoutingTable,
  claims: Readonly<Record<string, unknown>>,
  random: () => number,
): TableVersion | Refusal {
  const { endpoint: name, pin } = exchange.route;
  const endpoint = table.endpoints.get(name);
  if (!endpoint) return refusal('ENDPOINT_NOT_FOUND', `There is no endpoint "${name}".`);
  exchange.endpoint = endpoint;
  const { target, why } = resolveRoutes(
    endpoint.routes,
    { pin, headers: exchange.req.headers, claims },
    random,
  );
  if (target === undefined) return refusal(why, explanations[why](name, pin));
  exchange.version = target;
  return target;
}
