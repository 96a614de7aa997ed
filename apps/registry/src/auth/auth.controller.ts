import type { Jwks, SigningKey, TokenResponse } from '#contracts/clients';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller, Headers } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { AuthService } from './auth.service.js';
import { SigningKeys } from './signing-keys.service.js';

@Controller()
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly keys: SigningKeys,
  ) {}

  @Route(routes.auth.token)
  token(
    @Input() { body }: RouteInput<typeof routes.auth.token>,
    @Headers('authorization') authorization: string | undefined,
  ): Promise<TokenResponse> {
    return this.auth.token(body, authorization);
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
