import type { GatewayCredential } from '#contracts/nodes';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { etagOf } from '../http/etag.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { GatewaysService } from './gateways.service.js';
import { SnapshotFeed } from './snapshot-feed.js';
import { StreamsService } from './streams.service.js';

const { gateways } = routes;

@Controller()
export class SnapshotController {
  constructor(
    private readonly feed: SnapshotFeed,
    private readonly streams: StreamsService,
    private readonly service: GatewaysService,
  ) {}

  @Route(gateways.register)
  register(@Input() { body }: RouteInput<typeof gateways.register>): Promise<GatewayCredential> {
    return this.service.register(body.name);
  }

  @Route(gateways.snapshot)
  async snapshot(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { revision, json } = await this.feed.current();
    const etag = etagOf(revision);
    void reply.header('etag', etag);
    if (request.headers['if-none-match'] === etag) await reply.code(304).send();
    else await reply.type('application/json; charset=utf-8').send(json);
  }

  @Route(gateways.stream)
  stream(@Res() reply: FastifyReply): Promise<void> {
    return this.streams.open(reply);
  }
}
