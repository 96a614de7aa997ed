import type { Model } from '#contracts/models';
import type { RetentionPreview } from '#contracts/retention';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { RetentionService } from './retention.service.js';

type R = typeof routes.models;

@Controller()
export class RetentionController {
  constructor(private readonly retention: RetentionService) {}

  @Route(routes.models.setRetention)
  set(@Input() { params, body }: RouteInput<R['setRetention']>, @Caller() caller: Caller): Promise<Model> {
    return this.retention.set(params.model, body, caller);
  }

  @Route(routes.models.clearRetention)
  clear(@Input() { params }: RouteInput<R['clearRetention']>, @Caller() caller: Caller): Promise<Model> {
    return this.retention.set(params.model, null, caller);
  }

  @Route(routes.models.previewRetention)
  preview(@Input() { params, body }: RouteInput<R['previewRetention']>): Promise<RetentionPreview> {
    return this.retention.preview(params.model, body);
  }
}
