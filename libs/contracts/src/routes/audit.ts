import * as clients from '../clients.js';
import { route } from '../route.js';

export const auditRoutes = {
  list: route({
    method: 'GET',
    path: '/api/v1/audit',
    summary: 'List audit entries, newest first',
    access: 'audit:read',
    status: 200,
    query: clients.ListAudit,
    response: clients.AuditPage,
  }),
};
