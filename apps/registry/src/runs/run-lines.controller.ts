import type { RouteInput, RouteResponse } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller, Headers, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { RunLinesService } from './run-lines.service.js';

const { runLines } = routes;

@Controller()
export class RunLinesController {
  constructor(private readonly lines: RunLinesService) {}

  @Route(runLines.append)
  append(
    @Input() { params, body }: RouteInput<typeof runLines.append>,
    @Caller() caller: Caller,
  ): Promise<RouteResponse<typeof runLines.append>> {
    return this.lines.append(params.run_id, body, caller);
  }

  @Route(runLines.read)
  read(
    @Input() { params, query }: RouteInput<typeof runLines.read>,
  ): Promise<RouteResponse<typeof runLines.read>> {
    return this.lines.read(params.run_id, query);
  }

  @Route(runLines.sources)
  sources(
    @Input() { params }: RouteInput<typeof runLines.sources>,
  ): Promise<RouteResponse<typeof runLines.sources>> {
    return this.lines.sources(params.run_id);
  }

  @Route(runLines.stream)
  stream(
    @Input() { params, query }: RouteInput<typeof runLines.stream>,
    @Headers('last-event-id') lastEventId: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.lines.follow(params.run_id, query, lastEventId, reply);
  }
}
