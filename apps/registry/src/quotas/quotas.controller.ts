import type { Quota } from '#contracts/clients';
import type { Page } from '#contracts/common';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { QuotasService } from './quotas.service.js';

type R = typeof routes.quotas;

@Controller()
export class QuotasController {
  constructor(private readonly quotas: QuotasService) {}

  @Route(routes.quotas.create)
  create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<Quota> {
    return this.quotas.create(body, caller);
  }

  @Route(routes.quotas.list)
  list(@Input() { query }: RouteInput<R['list']>): Promise<Page<Quota>> {
    return this.quotas.list(query);
  }

  @Route(routes.quotas.update)
  update(@Input() { params, body }: RouteInput<R['update']>, @Caller() caller: Caller): Promise<Quota> {
    return this.quotas.update(params.quota_id, body, caller);
  }

  @Route(routes.quotas.remove)
  remove(@Input() { params }: RouteInput<R['remove']>, @Caller() caller: Caller): Promise<void> {
    return this.quotas.remove(params.quota_id, caller);
  }
}
