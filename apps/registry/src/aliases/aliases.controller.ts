import type { Alias, AliasChange } from '#contracts/aliases';
import type { Page } from '#contracts/common';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { AliasesService } from './aliases.service.js';

type R = typeof routes.aliases;

@Controller()
export class AliasesController {
  constructor(private readonly aliases: AliasesService) {}

  @Route(routes.aliases.list)
  list(@Input() { params }: RouteInput<R['list']>): Promise<{ items: Alias[] }> {
    return this.aliases.list(params.model);
  }

  @Route(routes.aliases.set)
  set(@Input() { params, body }: RouteInput<R['set']>, @Caller() caller: Caller): Promise<Alias> {
    return this.aliases.set(params.model, params.alias, body.version, caller);
  }

  @Route(routes.aliases.remove)
  remove(@Input() { params }: RouteInput<R['remove']>, @Caller() caller: Caller): Promise<void> {
    return this.aliases.remove(params.model, params.alias, caller);
  }

  @Route(routes.aliases.protect)
  protect(@Input() { params }: RouteInput<R['protect']>, @Caller() caller: Caller): Promise<Alias> {
    return this.aliases.setProtected(params.model, params.alias, true, caller);
  }

  @Route(routes.aliases.unprotect)
  unprotect(@Input() { params }: RouteInput<R['unprotect']>, @Caller() caller: Caller): Promise<Alias> {
    return this.aliases.setProtected(params.model, params.alias, false, caller);
  }

  @Route(routes.aliases.history)
  history(@Input() { params, query }: RouteInput<R['history']>): Promise<Page<AliasChange>> {
    return this.aliases.history(params.model, params.alias, query);
  }
}
