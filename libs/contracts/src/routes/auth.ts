import * as clients from '../clients.js';
import { route } from '../route.js';

export const authRoutes = {
  token: route({
    method: 'POST',
    path: '/oauth/token',
    summary: 'Issue an access token (client_credentials, refresh_token)',
    access: 'open',
    status: 200,
    body: clients.TokenRequest,
    bodyMedia: 'form',
    response: clients.TokenResponse,
    errors: ['INVALID_CLIENT', 'INVALID_GRANT', 'CLIENT_DISABLED', 'PERSON_DISABLED', 'TOO_MANY_ATTEMPTS'],
  }),
  jwks: route({
    method: 'GET',
    path: '/.well-known/jwks.json',
    summary: 'Public keys of the tokens',
    access: 'open',
    status: 200,
    response: clients.Jwks,
  }),
};
