import { z } from 'zod';
import { route } from '../route.js';

const Health = z
  .object({ status: z.enum(['ok', 'unavailable']), detail: z.string().optional() })
  .meta({ id: 'Health' });

export const healthRoutes = {
  live: route({
    method: 'GET',
    path: '/health/live',
    summary: 'The process is alive',
    access: 'open',
    status: 200,
    response: Health,
  }),
  ready: route({
    method: 'GET',
    path: '/health/ready',
    summary: 'The process can serve: its database answers',
    access: 'open',
    status: 200,
    response: Health,
    errors: ['NOT_READY', 'DATABASE_UNAVAILABLE'],
  }),
};
