import type { Page } from '#contracts/common';
import type { ExternalNode } from '#contracts/external-nodes';
import type { Version } from '#contracts/models';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { ExternalNodesService } from './external-nodes.service.js';
import { ExternalReports } from './external-reports.service.js';
import { ExternalVersionsService } from './external-versions.service.js';

type R = typeof routes.externalNodes;

@Controller()
export class ExternalNodesController {
  constructor(
    private readonly nodes: ExternalNodesService,
    private readonly versions: ExternalVersionsService,
    private readonly reports: ExternalReports,
  ) {}

  @Route(routes.externalNodes.put)
  put(@Input() { params, body }: RouteInput<R['put']>, @Caller() caller: Caller): Promise<ExternalNode> {
    return this.nodes.put(params.node, body, caller);
  }

  @Route(routes.externalNodes.list)
  list(@Input() { query }: RouteInput<R['list']>): Promise<Page<ExternalNode>> {
    return this.nodes.list(query);
  }

  @Route(routes.externalNodes.read)
  read(@Input() { params }: RouteInput<R['read']>): Promise<ExternalNode> {
    return this.nodes.read(params.node);
  }

  @Route(routes.externalNodes.remove)
  remove(@Input() { params }: RouteInput<R['remove']>, @Caller() caller: Caller): Promise<void> {
    return this.nodes.remove(params.node, caller);
  }

  @Route(routes.externalNodes.report)
  report(@Input() { body }: RouteInput<R['report']>, @Caller() caller: Caller): Promise<void> {
    return this.reports.take(body, caller.subject);
  }

  @Route(routes.externalNodes.createVersion)
  createVersion(
    @Input() { params, body }: RouteInput<R['createVersion']>,
    @Caller() caller: Caller,
  ): Promise<Version> {
    return this.versions.create(params.model, body, caller);
  }
}
