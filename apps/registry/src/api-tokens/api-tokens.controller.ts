import type { ApiToken, ApiTokenWithSecret } from '#contracts/api-tokens';
import type { Page } from '#contracts/common';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { ApiTokensService } from './api-tokens.service.js';

type R = typeof routes.apiTokens;

@Controller()
export class ApiTokensController {
  constructor(private readonly tokens: ApiTokensService) {}

  @Route(routes.apiTokens.create)
  create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<ApiTokenWithSecret> {
    return this.tokens.create(body, caller);
  }

  @Route(routes.apiTokens.list)
  list(@Input() { query }: RouteInput<R['list']>, @Caller() caller: Caller): Promise<Page<ApiToken>> {
    return this.tokens.list(query, caller);
  }

  @Route(routes.apiTokens.revoke)
  revoke(@Input() { params }: RouteInput<R['revoke']>, @Caller() caller: Caller): Promise<void> {
    return this.tokens.revoke(params.api_token_id, caller);
  }

  @Route(routes.apiTokens.reportUse)
  reportUse(@Input() { body }: RouteInput<R['reportUse']>): Promise<void> {
    return this.tokens.noteUses(body.ids);
  }
}
