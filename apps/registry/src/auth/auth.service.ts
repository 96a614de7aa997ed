import type { ClientCredentialsGrant, TokenResponse } from '#contracts/clients';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { ClientCredentials, basicCredentials } from './client-credentials.service.js';
import type { Credentials } from './client-credentials.service.js';
import { selectScopes } from './scope-selection.js';
import { TokenIssuer } from './token-issuer.service.js';

/** The client_credentials grant, RFC 6749 §4.4. */
@Injectable()
export class AuthService {
  constructor(
    private readonly credentials: ClientCredentials,
    private readonly issuer: TokenIssuer,
  ) {}

  async token(
    grant: ClientCredentialsGrant,
    authorization: string | undefined,
    address: string,
  ): Promise<TokenResponse> {
    const client = await this.credentials.verify(credentialsOf(grant, authorization), address);
    const scopes = selectScopes(client.scopes, grant.scope);
    const { token, expiresInS } = await this.issuer.issueForClient(client, scopes);
    return { access_token: token, token_type: 'Bearer', expires_in: expiresInS, scope: scopes.join(' ') };
  }
}

/** One method at a time (RFC 6749 §2.3). */
function credentialsOf(grant: ClientCredentialsGrant, authorization: string | undefined): Credentials {
  const basic = basicCredentials(authorization);
  if (basic && grant.client_secret !== undefined)
    throw new SluiceError('INVALID_REQUEST', 'Send the secret in the body or as HTTP Basic, not both.');
  if (basic) return basic;
  if (grant.client_id === undefined || grant.client_secret === undefined)
    throw new SluiceError('INVALID_CLIENT', 'Send client_id and client_secret in the body or as HTTP Basic.');
  return { clientId: grant.client_id, clientSecret: grant.client_secret };
}
