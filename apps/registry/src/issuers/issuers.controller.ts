import type { Page } from '#contracts/common';
import type { Issuer } from '#contracts/issuers';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { IssuerKeys } from '../auth/issuer-keys.js';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { IssuersService } from './issuers.service.js';

type R = typeof routes.issuers;

@Controller()
export class IssuersController {
  constructor(
    private readonly issuers: IssuersService,
    private readonly keys: IssuerKeys,
  ) {}

  @Route(routes.issuers.create)
  create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<Issuer> {
    return this.issuers.create(body, caller);
  }

  @Route(routes.issuers.list)
  list(@Input() { query }: RouteInput<R['list']>): Promise<Page<Issuer>> {
    return this.issuers.list(query);
  }

  @Route(routes.issuers.update)
  update(@Input() { params, body }: RouteInput<R['update']>, @Caller() caller: Caller): Promise<Issuer> {
    return this.issuers.update(params.issuer_name, body, caller);
  }

  @Route(routes.issuers.refreshKeys)
  refreshKeys(@Input() { params }: RouteInput<R['refreshKeys']>): Promise<Issuer> {
    return this.issuers.refreshKeys(params.issuer_name);
  }

  @Route(routes.issuers.remove)
  remove(@Input() { params }: RouteInput<R['remove']>, @Caller() caller: Caller): Promise<void> {
    return this.issuers.remove(params.issuer_name, caller);
  }

  @Route(routes.issuers.reportUnknownKey)
  reportUnknownKey(@Input() { body }: RouteInput<R['reportUnknownKey']>): Promise<void> {
    return this.keys.unknownKey(body.issuer_name);
  }
}
