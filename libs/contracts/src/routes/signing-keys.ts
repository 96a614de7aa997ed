/** Routes of the keys that sign tokens. */
import { SigningKey, SigningKeys } from '../clients.js';
import { route } from '../route.js';

export const signingKeyRoutes = {
  list: route({
    method: 'GET',
    path: '/api/v1/signing-keys',
    summary: 'List the keys that sign tokens, newest first',
    access: 'admin',
    status: 200,
    response: SigningKeys,
  }),
  rotate: route({
    method: 'POST',
    path: '/api/v1/signing-keys/rotate',
    summary:
      'Make a new key: published at once, it signs a little later; tokens of the old one stay good until they expire',
    access: 'admin',
    status: 201,
    response: SigningKey,
  }),
};
