import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller, Headers, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { EventsService } from './events.service.js';

@Controller()
export class EventsController {
  constructor(private readonly events: EventsService) {}

  @Route(routes.events.stream)
  stream(
    @Input() { query }: RouteInput<typeof routes.events.stream>,
    @Headers('last-event-id') lastEventId: unknown,
    @Caller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.events.open(query, lastEventId, caller, reply);
  }
}
