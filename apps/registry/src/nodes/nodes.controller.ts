import type { Page } from '#contracts/common';
import type { Assignments, NodeInfo, NodeLease } from '#contracts/nodes';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { AssignmentsService } from './assignments.service.js';
import { hangUpSignal } from './hang-up.js';
import { LeaseService } from './lease.service.js';
import { NodesService } from './nodes.service.js';

const { nodes } = routes;

@Controller()
export class NodesController {
  constructor(
    private readonly service: NodesService,
    private readonly leases: LeaseService,
    private readonly work: AssignmentsService,
  ) {}

  @Route(nodes.list)
  list(@Input() { query }: RouteInput<typeof nodes.list>): Promise<Page<NodeInfo>> {
    return this.service.list(query);
  }

  @Route(nodes.read)
  read(@Input() { params }: RouteInput<typeof nodes.read>): Promise<NodeInfo> {
    return this.service.read(params.node_id);
  }

  @Route(nodes.drain)
  drain(@Input() { params }: RouteInput<typeof nodes.drain>, @Caller() caller: Caller): Promise<NodeInfo> {
    return this.service.setCordoned(params.node_id, true, caller);
  }

  @Route(nodes.resume)
  resume(@Input() { params }: RouteInput<typeof nodes.resume>, @Caller() caller: Caller): Promise<NodeInfo> {
    return this.service.setCordoned(params.node_id, false, caller);
  }

  @Route(nodes.register)
  register(
    @Input() { body }: RouteInput<typeof nodes.register>,
    @Caller() caller: Caller,
  ): Promise<NodeLease> {
    return this.leases.register(body, caller);
  }

  @Route(nodes.renew)
  renew(
    @Input() { params, body }: RouteInput<typeof nodes.renew>,
    @Caller() caller: Caller,
  ): Promise<NodeLease> {
    return this.leases.renew(params.node_id, body, caller);
  }

  @Route(nodes.assignments)
  assignments(
    @Input() { params, query }: RouteInput<typeof nodes.assignments>,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Assignments> {
    const wait = { after: query.after, waitMs: query.wait_ms, signal: hangUpSignal(reply) };
    return this.work.read(params.node_id, caller, wait);
  }
}
