import type { Page } from '#contracts/common';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import type { Team } from '#contracts/teams';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { TeamsService } from './teams.service.js';

type R = typeof routes.teams;

@Controller()
export class TeamsController {
  constructor(private readonly teams: TeamsService) {}

  @Route(routes.teams.create)
  create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<Team> {
    return this.teams.create(body, caller);
  }

  @Route(routes.teams.list)
  list(@Input() { query }: RouteInput<R['list']>, @Caller() caller: Caller): Promise<Page<Team>> {
    return this.teams.list(query, caller);
  }

  @Route(routes.teams.update)
  update(@Input() { params, body }: RouteInput<R['update']>, @Caller() caller: Caller): Promise<Team> {
    return this.teams.update(params.team, body, caller);
  }
}
