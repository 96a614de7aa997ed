/** Routes of metering and billing. */
import { route } from '../route.js';
import * as usage from '../usage.js';

export const usageRoutes = {
  report: route({
    method: 'POST',
    path: '/api/v1/usage-batches',
    summary: 'A gateway reports what was used',
    access: 'gateway',
    status: 200,
    body: usage.UsageBatch,
    response: usage.UsageReceipt,
    errors: ['FORBIDDEN'],
  }),
  read: route({
    method: 'GET',
    path: '/api/v1/usage',
    summary: 'What was used, in sums',
    access: 'usage:read',
    status: 200,
    query: usage.GetUsage,
    response: usage.UsageSums,
  }),
  export: route({
    method: 'GET',
    path: '/api/v1/usage.csv',
    summary: 'What was used, in sums, as CSV (RFC 4180)',
    access: 'usage:read',
    status: 200,
    query: usage.GetUsage,
    responseMedia: 'bytes',
  }),
  prices: route({
    method: 'GET',
    path: '/api/v1/prices',
    summary: 'All prices, also past ones, newest first',
    access: 'usage:read',
    status: 200,
    response: usage.PriceList,
  }),
  createPrice: route({
    method: 'POST',
    path: '/api/v1/prices',
    summary: 'Set a price from a time on',
    access: 'usage:write',
    status: 201,
    body: usage.CreatePrice,
    response: usage.Price,
    errors: ['ALREADY_EXISTS', 'ENDPOINT_NOT_FOUND'],
  }),
  statement: route({
    method: 'GET',
    path: '/api/v1/teams/{team}/statements/{month}',
    summary: 'What a team owes for a month: answered requests at the prices of their time',
    access: 'usage:read',
    status: 200,
    params: usage.StatementParams,
    response: usage.Statement,
    errors: ['TEAM_NOT_FOUND'],
  }),
};
