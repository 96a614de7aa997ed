import type { TokenResponse } from '#contracts/clients';
import { TokenRequest } from '#contracts/clients';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import type { z } from 'zod';
import { ClientCredentials, basicCredentials } from './client-credentials.service.js';
import type { Credentials } from './client-credentials.service.js';
import { selectScopes } from './scope-selection.js';
import { TokenIssuer } from './token-issuer.service.js';

type Grant = z.output<typeof TokenRequest>;

/** The client_credentials grant, RFC 6749 §4.4. */
@Injectable()
export class AuthService {
  constructor(
    private readonly credentials: ClientCredentials,
    private readonly issuer: TokenIssuer,
  ) {}

  async token(grant: Grant, authorization: string | undefined): Promise<TokenResponse> {
    const { clientId, clientSecret } = credentialsOf(grant, authorization);
    const client = await this.credentials.verify(clientId, clientSecret);
    const scopes = selectScopes(client.scopes, grant.scope);
    const { token, expiresInS } = await this.issuer.issueForClient(client, scopes);
    return { access_token: token, token_type: 'Bearer', expires_in: expiresInS, scope: scopes.join(' ') };
  }
}

/** One method at a time (RFC 6749 §2.3). */
function credentialsOf(grant: Grant, authorization: string | undefined): Credentials {
  const basic = basicCredentials(authorization);
  if (basic && grant.client_secret !== undefined)
    throw new SluiceError('INVALID_REQUEST', 'Send the secret in the body or as HTTP Basic, not both.');
  if (basic) return basic;
  if (grant.client_id === undefined || grant.client_secret === undefined)
    throw new SluiceError('INVALID_CLIENT', 'Send client_id and client_secret in the body or as HTTP Basic.');
  return { clientId: grant.client_id, clientSecret: grant.client_secret };
}
