import type { Page } from '#contracts/common';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import type { Delivery, Webhook, WebhookWithSecret } from '#contracts/webhooks';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { DeliveriesService } from './deliveries.service.js';
import { WebhooksService } from './webhooks.service.js';

type R = typeof routes.webhooks;

@Controller()
export class WebhooksController {
  constructor(
    private readonly webhooks: WebhooksService,
    private readonly log: DeliveriesService,
  ) {}

  @Route(routes.webhooks.create)
  create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<WebhookWithSecret> {
    return this.webhooks.create(body, caller);
  }

  @Route(routes.webhooks.list)
  list(@Input() { query }: RouteInput<R['list']>): Promise<Page<Webhook>> {
    return this.webhooks.list(query);
  }

  @Route(routes.webhooks.read)
  read(@Input() { params }: RouteInput<R['read']>): Promise<Webhook> {
    return this.webhooks.read(params.webhook);
  }

  @Route(routes.webhooks.update)
  update(@Input() { params, body }: RouteInput<R['update']>, @Caller() caller: Caller): Promise<Webhook> {
    return this.webhooks.update(params.webhook, body, caller);
  }

  @Route(routes.webhooks.remove)
  remove(@Input() { params }: RouteInput<R['remove']>, @Caller() caller: Caller): Promise<void> {
    return this.webhooks.remove(params.webhook, caller);
  }

  @Route(routes.webhooks.rotateSecret)
  rotateSecret(
    @Input() { params }: RouteInput<R['rotateSecret']>,
    @Caller() caller: Caller,
  ): Promise<WebhookWithSecret> {
    return this.webhooks.rotateSecret(params.webhook, caller);
  }

  @Route(routes.webhooks.test)
  test(@Input() { params }: RouteInput<R['test']>, @Caller() caller: Caller): Promise<void> {
    return this.webhooks.test(params.webhook, caller);
  }

  @Route(routes.webhooks.deliveries)
  deliveries(@Input() { params, query }: RouteInput<R['deliveries']>): Promise<Page<Delivery>> {
    return this.log.list(params.webhook, query);
  }

  @Route(routes.webhooks.replay)
  replay(@Input() { params }: RouteInput<R['replay']>, @Caller() caller: Caller): Promise<Delivery> {
    return this.log.replay(params.webhook, params.delivery_id, caller);
  }
}
