import * as nodes from '../nodes.js';
import { route } from '../route.js';
import { Snapshot } from '../snapshot.js';

export const gatewayRoutes = {
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
