import { route } from '../route.js';
import { CreateTeam, ListTeams, Team, TeamPage, TeamParams, UpdateTeam } from '../teams.js';

export const teamRoutes = {
  create: route({
    method: 'POST',
    path: '/api/v1/teams',
    summary: 'Create a team',
    access: 'teams:write',
    status: 201,
    body: CreateTeam,
    response: Team,
    errors: ['ALREADY_EXISTS'],
  }),
  list: route({
    method: 'GET',
    path: '/api/v1/teams',
    summary: 'List teams by name',
    access: 'teams:read',
    status: 200,
    query: ListTeams,
    response: TeamPage,
  }),
  update: route({
    method: 'PATCH',
    path: '/api/v1/teams/{team}',
    summary: 'Change the time zone of a team',
    access: 'teams:write',
    status: 200,
    params: TeamParams,
    body: UpdateTeam,
    response: Team,
    errors: ['TEAM_NOT_FOUND'],
  }),
};
