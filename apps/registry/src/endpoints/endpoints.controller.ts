import type { Page } from '#contracts/common';
import type { Endpoint, TrafficRevision } from '#contracts/endpoints';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import type { z } from 'zod';
import { Caller } from '../http/caller.js';
import { IfMatch } from '../http/etag.js';
import type { ExpectedRevision } from '../http/etag.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { EndpointsService } from './endpoints.service.js';

type R = typeof routes.endpoints;

@Controller()
export class EndpointsController {
  constructor(private readonly endpoints: EndpointsService) {}

  @Route(routes.endpoints.create)
  create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<Endpoint> {
    return this.endpoints.create(body, caller);
  }

  @Route(routes.endpoints.list)
  list(@Input() { query }: RouteInput<R['list']>): Promise<Page<Endpoint>> {
    return this.endpoints.list(query);
  }

  @Route(routes.endpoints.read)
  read(@Input() { params }: RouteInput<R['read']>): Promise<Endpoint> {
    return this.endpoints.read(params.endpoint);
  }

  @Route(routes.endpoints.setTraffic)
  setTraffic(
    @Input() { params, body }: RouteInput<R['setTraffic']>,
    @IfMatch() expected: ExpectedRevision,
    @Caller() caller: Caller,
  ): Promise<Endpoint> {
    return this.endpoints.setTraffic(params.endpoint, body, expected, caller);
  }

  @Route(routes.endpoints.history)
  history(
    @Input() { params, query }: RouteInput<R['history']>,
  ): Promise<Page<z.output<typeof TrafficRevision>>> {
    return this.endpoints.history(params.endpoint, query);
  }
}
