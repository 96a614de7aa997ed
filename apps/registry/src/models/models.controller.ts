import type { Page } from '#contracts/common';
import type { Model } from '#contracts/models';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { ModelsService } from './models.service.js';

type R = typeof routes.models;

@Controller()
export class ModelsController {
  constructor(private readonly models: ModelsService) {}

  @Route(routes.models.create)
  create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<Model> {
    return this.models.create(body, caller);
  }

  @Route(routes.models.list)
  list(@Input() { query }: RouteInput<R['list']>): Promise<Page<Model>> {
    return this.models.list(query);
  }

  @Route(routes.models.read)
  read(@Input() { params }: RouteInput<R['read']>): Promise<Model> {
    return this.models.read(params.model);
  }

  @Route(routes.models.update)
  update(@Input() { params, body }: RouteInput<R['update']>, @Caller() caller: Caller): Promise<Model> {
    return this.models.update(params.model, body, caller);
  }

  @Route(routes.models.archive)
  archive(@Input() { params }: RouteInput<R['archive']>, @Caller() caller: Caller): Promise<Model> {
    return this.models.archive(params.model, caller);
  }

  @Route(routes.models.restore)
  restore(@Input() { params }: RouteInput<R['restore']>, @Caller() caller: Caller): Promise<Model> {
    return this.models.restore(params.model, caller);
  }

  @Route(routes.models.remove)
  remove(@Input() { params, query }: RouteInput<R['remove']>, @Caller() caller: Caller): Promise<void> {
    return this.models.remove(params.model, query.confirm, caller);
  }
}
