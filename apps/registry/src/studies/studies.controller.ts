import type { RouteInput, RouteResponse } from '#contracts/route';
import { routes } from '#contracts/routes';
import type { Study } from '#contracts/studies';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { StudiesService } from './studies.service.js';

const { studies } = routes;

@Controller()
export class StudiesController {
  constructor(private readonly service: StudiesService) {}

  @Route(studies.create)
  create(@Input() { body }: RouteInput<typeof studies.create>, @Caller() caller: Caller): Promise<Study> {
    return this.service.create(body, caller);
  }

  @Route(studies.list)
  list(@Input() { query }: RouteInput<typeof studies.list>): Promise<RouteResponse<typeof studies.list>> {
    return this.service.list(query);
  }

  @Route(studies.read)
  read(@Input() { params }: RouteInput<typeof studies.read>): Promise<Study> {
    return this.service.read(params.study_id);
  }

  @Route(studies.runs)
  runs(
    @Input() { params, query }: RouteInput<typeof studies.runs>,
  ): Promise<RouteResponse<typeof studies.runs>> {
    return this.service.trials(params.study_id, query);
  }
}
