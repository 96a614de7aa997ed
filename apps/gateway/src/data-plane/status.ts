/** What the snapshot says about an endpoint's versions, in the words of TensorFlow Serving and KServe v1. No node is asked. */
import { resolve } from '#routing/resolve';
import type { Core } from './core.js';
import type { Exchange } from './exchange.js';
import { answerJson, refuse } from './respond.js';
import { findEndpoint, findVersions } from './resolve.js';
import type { RoutingTable, TableEndpoint, TableVersion } from './routing-table.js';

/** Why a version that could serve does not. */
export const notHeld = 'No node holds this version now.';

const versionStatus = ({ label, ready }: TableVersion) => ({
  version: label,
  state: ready ? 'AVAILABLE' : 'END',
  status: ready
    ? { error_code: 'OK', error_message: '' }
    : { error_code: 'UNAVAILABLE', error_message: notHeld },
});

/** Whether a request that names no version would be answered now. Rules are left out: they hang on headers. */
function takesTraffic({ routesFor: { tfserving: routes } }: TableEndpoint): boolean {
  return (
    resolve({ ...routes, rules: [] }, { pin: undefined, headers: {}, claims: {} }, () => 0).target !==
    undefined
  );
}

/** `GET /v1/models/{endpoint}`: TensorFlow Serving's states, and KServe v1's `name` and `ready` beside them. */
export function answerStatus(core: Core, exchange: Exchange, table: RoutingTable): void {
  const endpoint = findEndpoint(exchange, table);
  if ('code' in endpoint) return refuse(exchange, core, endpoint);
  const versions = findVersions(endpoint, exchange.route);
  if ('code' in versions) return refuse(exchange, core, versions);
  const isPinned = exchange.route.pin !== undefined;
  answerJson(exchange, core, 200, {
    name: endpoint.name,
    ready: isPinned ? versions.every(({ ready }) => ready) : takesTraffic(endpoint),
    model_version_status: versions.map(versionStatus),
  });
}
