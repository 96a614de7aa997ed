/**
 * Finds out who sends a request, before its body is read. Nothing passes without a credential but the routes marked
 * `open`: addresses outside the route table need one too, so that they tell a stranger nothing.
 */
import type { RouteSpec } from '#contracts/route';
import { SluiceError } from '#platform/errors';
import { bearerToken } from '#platform/tokens';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { isDocsPath } from '../docs/docs-path.js';
import type { Caller } from '../http/caller.js';
import { ClientCredentials, basicCredentials } from './client-credentials.service.js';
import { toSluiceError } from '../http/error-mapping.js';
import { ApiTokenLogin, isApiToken } from './api-token-login.js';
import { clientCaller, machineCaller } from './callers.js';
import { JwtStrategy } from './jwt.strategy.js';
import { sameSecret } from './secrets.js';

@Injectable()
export class Authenticator {
  constructor(
    private readonly jwt: JwtStrategy,
    private readonly apiTokens: ApiTokenLogin,
    private readonly credentials: ClientCredentials,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** @throws SluiceError UNAUTHENTICATED or CLIENT_DISABLED; undefined only for open routes */
  async authenticate(request: FastifyRequest, spec: RouteSpec | undefined): Promise<Caller | undefined> {
    if (spec?.access === 'open') return undefined;
    if (spec?.access === 'join-node') return joiner(request, 'node', this.config.SLUICE_NODE_JOIN_TOKEN);
    if (spec?.access === 'join-gateway')
      return joiner(request, 'gateway', this.config.SLUICE_GATEWAY_JOIN_TOKEN);
    return this.byToken(request, spec);
  }

  private async byToken(request: FastifyRequest, spec: RouteSpec | undefined): Promise<Caller> {
    // A browser can show a page behind HTTP Basic, not behind a Bearer token.
    const basic = basicCredentials(request.headers.authorization);
    if (spec === undefined && basic !== undefined && isDocsPath(request.url)) {
      const { client_id: clientId, scopes } = await this.credentials.verify(basic, request.ip);
      return clientCaller(clientId, { requestId: request.id, scopes });
    }
    const token = bearerToken(request.headers.authorization);
    if (token !== undefined && isApiToken(token)) return this.apiTokens.authenticate(token, request.id);
    return this.runStrategy(request);
  }

  /** passport's contract for one request: a strategy is cloned, given its three outcomes and told to authenticate. */
  private runStrategy(request: FastifyRequest): Promise<Caller> {
    return new Promise((resolve, reject) => {
      const attempt = Object.create(this.jwt) as JwtStrategy;
      attempt.success = (caller) => resolve(caller as Caller);
      attempt.fail = (challenge: unknown) => reject(refusal(request, challenge));
      attempt.error = reject;
      // It reads nothing but the headers.
      attempt.authenticate(request as unknown as Parameters<JwtStrategy['authenticate']>[0]);
    });
  }
}

function joiner(request: FastifyRequest, part: 'node' | 'gateway', expected: string): Caller {
  const token = bearerToken(request.headers.authorization);
  if (token === undefined || !sameSecret(token, expected)) {
    const detail = `Send the ${part} join token: Authorization: Bearer …`;
    throw new SluiceError('UNAUTHENTICATED', detail);
  }
  return machineCaller(`join:${part}`, { requestId: request.id, scopes: [] });
}

function refusal(request: FastifyRequest, challenge: unknown): SluiceError {
  if (request.headers.authorization === undefined)
    return new SluiceError('UNAUTHENTICATED', 'Send a token: Authorization: Bearer …');
  if (bearerToken(request.headers.authorization) === undefined)
    return new SluiceError('UNAUTHENTICATED', 'Send one token: Authorization: Bearer …', {
      cause: challenge,
    });
  return toSluiceError(challenge);
}
