import type { Jwks, SigningKey, TokenResponse } from '#contracts/clients';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { AuthService } from './auth.service.js';
import { Sessions } from './sessions.service.js';
import { SigningKeys } from './signing-keys.service.js';

@Controller()
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly sessions: Sessions,
    private readonly keys: SigningKeys,
  ) {}

  @Route(routes.auth.token)
  token(
    @Input() { body }: RouteInput<typeof routes.auth.token>,
    @Req() { headers, ip, id }: FastifyRequest,
  ): Promise<TokenResponse> {
    switch (body.grant_type) {
      case 'client_credentials':
        return this.auth.token(body, headers.authorization, ip);
      case 'refresh_token':
        return this.sessions.refresh(body.refresh_token, ip, id);
    }
  }

  @Route(routes.auth.jwks)
  jwks(): Promise<Jwks> {
    return this.keys.jwks();
  }

  @Route(routes.signingKeys.list)
  async listKeys(): Promise<{ items: SigningKey[] }> {
    return { items: await this.keys.list() };
  }

  @Route(routes.signingKeys.rotate)
  rotateKey(@Caller() caller: Caller): Promise<SigningKey> {
    return this.keys.rotate(caller);
  }
}
