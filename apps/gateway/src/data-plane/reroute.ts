/** What becomes of a request whose version changes between its head and the moment when it goes to a node. */
import type { Core } from './core.js';
import type { Exchange } from './exchange.js';
import { resolve } from './resolve.js';
import { protocolOf } from './routes.js';
import type { TableVersion } from './routing-table.js';

/** The version as the table of the moment has it: while the body came in, a node may have come or gone. */
export function currentOf(
  version: TableVersion,
  { endpoint, route }: Exchange,
  { table }: Core,
): TableVersion | undefined {
  const now = endpoint && table?.endpoints.get(endpoint.name);
  return now?.routesFor[protocolOf(route.operation)].versions.get(version.version);
}

/** What the table of the moment gives the caller instead; undefined when nothing that it asked for can serve. */
export function reroute(exchange: Exchange, { table, random }: Core): TableVersion | undefined {
  const found = table && resolve(exchange, table, exchange.identity?.claims ?? {}, random);
  return found === undefined || 'code' in found ? undefined : found;
}
