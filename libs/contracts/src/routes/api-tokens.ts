import {
  ApiTokenPage,
  ApiTokenParams,
  ApiTokenUse,
  ApiTokenWithSecret,
  CreateApiToken,
  ListApiTokens,
} from '../api-tokens.js';
import { route } from '../route.js';

export const apiTokenRoutes = {
  create: route({
    method: 'POST',
    path: '/api/v1/api-tokens',
    summary: 'Make a long-lived token for oneself or a client; gateways know it within two seconds',
    access: 'authenticated',
    status: 201,
    body: CreateApiToken,
    response: ApiTokenWithSecret,
    errors: ['CLIENT_NOT_FOUND'],
  }),
  list: route({
    method: 'GET',
    path: '/api/v1/api-tokens',
    summary: 'List one’s own API tokens and those of the clients and people that one may read, newest first',
    access: 'authenticated',
    status: 200,
    query: ListApiTokens,
    response: ApiTokenPage,
  }),
  revoke: route({
    method: 'DELETE',
    path: '/api/v1/api-tokens/{api_token_id}',
    summary: 'Revoke an API token',
    access: 'authenticated',
    status: 204,
    params: ApiTokenParams,
    errors: ['API_TOKEN_NOT_FOUND'],
  }),
  reportUse: route({
    method: 'POST',
    path: '/api/v1/api-token-uses',
    summary: 'Tell which API tokens were used at a gateway',
    access: 'gateway',
    status: 204,
    body: ApiTokenUse,
  }),
};
