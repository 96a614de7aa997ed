/** The stages in order: authenticate, authorize, resolve, admit, forward (which picks), account. With warm caches nothing is awaited. */
import { beginTrace } from '#platform/trace-context';
import { isRefusal, refusal } from './errors.js';
import type { Refusal } from './errors.js';
import { account } from './account.js';
import { admit } from './admit.js';
import type { Identity } from './authenticate.js';
import { authorize } from './authorize.js';
import { announcedLength } from './caller.js';
import type { Core } from './core.js';
import type { Exchange } from './exchange.js';
import { limitsOf, tooLarge } from './body-limits.js';
import { forward } from './forward.js';
import { resolve } from './resolve.js';
import { refuse } from './respond.js';
import { answerEndpointStatistics } from './statistics.js';
import { answerStatus } from './status.js';
import { isPrediction, methodsOf, takesMethod } from './routes.js';
import { identify } from './routing-table.js';
import type { RoutingTable } from './routing-table.js';

export const notReady = refusal('NOT_READY', 'This gateway has no routing table yet. Try again.');

/** Begins the life of an exchange: counts it in, and out when its response is over. */
export function track(core: Core, exchange: Exchange): void {
  core.inFlight += 1;
  exchange.trace = beginTrace(exchange.req.headers['traceparent'], core.spans?.chooses() ?? false);
  exchange.res.once('close', () => {
    core.inFlight -= 1;
    exchange.onClosed?.();
    exchange.req.readAway();
    account(exchange, core, performance.now());
  });
}

/** Gives the caller's identity to `then`, or refuses. */
export function identified(
  core: Core,
  exchange: Exchange,
  then: (identity: Identity, table: RoutingTable) => void,
): void {
  const { table } = core;
  if (!table) return refuse(exchange, core, notReady);
  const found = identify(table, exchange.req.headers.authorization, Date.now());
  const proceed = (who: Identity | Refusal): void => {
    if (isRefusal(who)) return refuse(exchange, core, who);
    exchange.identity = who;
    if (!exchange.res.destroyed) then(who, table);
  };
  if (!(found instanceof Promise)) return proceed(found);
  found.then(proceed).catch(failed(core, exchange));
}

const failed =
  (core: Core, exchange: Exchange) =>
  (error: unknown): void => {
    core.logger.error({ err: error, request_id: exchange.requestId }, 'request failed');
    refuse(exchange, core, refusal('INTERNAL', 'The gateway failed. Try again.'));
  };

/** A request to an endpoint. */
export function serve(core: Core, exchange: Exchange): void {
  const { route, req } = exchange;
  if (!takesMethod(route.operation, req.method)) {
    const methods = methodsOf(route.operation);
    const reason = refusal('METHOD_NOT_ALLOWED', `Use ${methods} on this path.`, ['allow', methods]);
    return refuse(exchange, core, reason);
  }
  identified(core, exchange, (identity, table) => {
    const forbidden = authorize(identity, route.endpoint, table, Date.now());
    if (forbidden) return refuse(exchange, core, forbidden);
    if (route.operation === 'status') return answerStatus(core, exchange, table);
    if (route.operation === 'stats') return answerEndpointStatistics(core, exchange, table);
    const version = routed(core, exchange, identity, table);
    if ('code' in version) return refuse(exchange, core, version);
    if (!isPrediction(route.operation)) return forward(core, exchange, version);
    const proceed = (refused: Refusal | undefined): void => {
      if (refused) refuse(exchange, core, refused);
      else if (!exchange.res.destroyed) forward(core, exchange, version);
    };
    const admission = admit(exchange, core, identity);
    if (admission instanceof Promise) admission.then(proceed).catch(failed(core, exchange));
    else proceed(admission);
  });
}

function routed(core: Core, exchange: Exchange, identity: Identity, table: RoutingTable) {
  const { route, req } = exchange;
  const version = resolve(exchange, table, identity.claims, core.random);
  if ('code' in version || !isPrediction(route.operation)) return version;
  const length = announcedLength(req);
  const { maxBodyBytes } = limitsOf(exchange, core);
  return length !== undefined && length > maxBodyBytes ? tooLarge(maxBodyBytes) : version;
}
