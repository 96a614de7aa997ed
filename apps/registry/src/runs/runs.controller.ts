import type { Page } from '#contracts/common';
import type { RouteInput, RouteResponse } from '#contracts/route';
import { routes } from '#contracts/routes';
import type { MetricPoint, MetricSample, Run, RunComparison } from '#contracts/runs';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { ExperimentsService } from './experiments.service.js';
import { RunsService } from './runs.service.js';

const { experiments, runs } = routes;

@Controller()
export class RunsController {
  constructor(
    private readonly service: RunsService,
    private readonly experiments: ExperimentsService,
  ) {}

  @Route(experiments.create)
  createExperiment(
    @Input() { body }: RouteInput<typeof experiments.create>,
    @Caller() caller: Caller,
  ): Promise<RouteResponse<typeof experiments.create>> {
    return this.experiments.create(body, caller);
  }

  @Route(experiments.list)
  listExperiments(
    @Input() { query }: RouteInput<typeof experiments.list>,
  ): Promise<RouteResponse<typeof experiments.list>> {
    return this.experiments.list(query);
  }

  @Route(runs.create)
  create(@Input() { body }: RouteInput<typeof runs.create>, @Caller() caller: Caller): Promise<Run> {
    return this.service.create(body, caller);
  }

  @Route(runs.log)
  log(@Input() { params, body }: RouteInput<typeof runs.log>, @Caller() caller: Caller): Promise<void> {
    return this.service.log(params.run_id, body, caller);
  }

  @Route(runs.finish)
  finish(@Input() { params, body }: RouteInput<typeof runs.finish>, @Caller() caller: Caller): Promise<Run> {
    return this.service.finish(params.run_id, body, caller);
  }

  @Route(runs.read)
  read(@Input() { params }: RouteInput<typeof runs.read>): Promise<Run> {
    return this.service.read(params.run_id);
  }

  @Route(runs.list)
  list(@Input() { query }: RouteInput<typeof runs.list>): Promise<Page<Run>> {
    return this.service.list(query);
  }

  @Route(runs.metricHistory)
  metricHistory(
    @Input() { params, query }: RouteInput<typeof runs.metricHistory>,
  ): Promise<Page<MetricPoint>> {
    return this.service.metricHistory(params.run_id, query);
  }

  @Route(runs.metricSample)
  metricSample(@Input() { params, query }: RouteInput<typeof runs.metricSample>): Promise<MetricSample> {
    return this.service.metricSample(params.run_id, query);
  }

  @Route(runs.series)
  series(@Input() { params, query }: RouteInput<typeof runs.series>): Promise<Page<MetricPoint>> {
    return this.service.series(params.run_id, query);
  }

  @Route(runs.compare)
  compare(@Input() { query }: RouteInput<typeof runs.compare>): Promise<RunComparison> {
    return this.service.compare(query.run_ids);
  }
}
