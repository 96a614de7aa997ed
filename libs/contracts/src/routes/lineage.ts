import { Lineage, LineageQuery } from '../lineage.js';
import { route } from '../route.js';

export const lineageRoutes = {
  read: route({
    method: 'GET',
    path: '/api/v1/lineage',
    summary: 'From run to version to endpoint, and back, starting at any of them',
    access: 'models:read',
    status: 200,
    query: LineageQuery,
    response: Lineage,
    errors: ['RUN_NOT_FOUND', 'MODEL_NOT_FOUND', 'VERSION_NOT_FOUND', 'ENDPOINT_NOT_FOUND'],
  }),
};
