import type { Page } from '#contracts/common';
import type { Me, Person, SessionTokens } from '#contracts/people';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { SluiceError } from '#platform/errors';
import { Controller, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Sessions } from '../auth/sessions.service.js';
import { Caller } from '../http/caller.js';
import type { CallingPerson } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { PeopleService } from './people.service.js';

type R = typeof routes.people;
type S = typeof routes.sessions;

@Controller()
export class PeopleController {
  constructor(
    private readonly people: PeopleService,
    private readonly sessions: Sessions,
  ) {}

  @Route(routes.people.create)
  create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<Person> {
    return this.people.create(body, caller);
  }

  @Route(routes.people.list)
  list(@Input() { query }: RouteInput<R['list']>, @Caller() caller: Caller): Promise<Page<Person>> {
    return this.people.list(query, caller);
  }

  @Route(routes.people.read)
  read(@Input() { params }: RouteInput<R['read']>, @Caller() caller: Caller): Promise<Person> {
    return this.people.read(params.login, caller);
  }

  @Route(routes.people.update)
  update(@Input() { params, body }: RouteInput<R['update']>, @Caller() caller: Caller): Promise<Person> {
    return this.people.update(params.login, body, caller);
  }

  @Route(routes.people.disable)
  disable(@Input() { params }: RouteInput<R['disable']>, @Caller() caller: Caller): Promise<Person> {
    return this.people.disable(params.login, caller);
  }

  @Route(routes.people.enable)
  enable(@Input() { params }: RouteInput<R['enable']>, @Caller() caller: Caller): Promise<Person> {
    return this.people.enable(params.login, caller);
  }

  @Route(routes.people.signOut)
  signOut(@Input() { params }: RouteInput<R['signOut']>, @Caller() caller: Caller): Promise<Person> {
    return this.people.signOut(params.login, caller);
  }

  @Route(routes.sessions.begin)
  beginSession(
    @Input() { body }: RouteInput<S['begin']>,
    @Req() { ip, id }: FastifyRequest,
  ): Promise<SessionTokens> {
    return this.sessions.signIn(body.login, body.password, ip, id);
  }

  @Route(routes.sessions.end)
  async endSession(@Caller() caller: Caller): Promise<void> {
    const { login, sessionId } = personOf(caller);
    if (sessionId === undefined) throw new SluiceError('FORBIDDEN', 'This token belongs to no session.');
    await this.sessions.end(sessionId, login, caller);
  }

  @Route(routes.sessions.me)
  me(@Caller() caller: Caller): Promise<Me> {
    return this.people.me(caller);
  }

  @Route(routes.sessions.changePassword)
  changePassword(
    @Input() { body }: RouteInput<S['changePassword']>,
    @Caller() caller: Caller,
    @Req() { ip }: FastifyRequest,
  ): Promise<void> {
    return this.people.changePassword(body, { ...caller, person: personOf(caller) }, ip);
  }
}

function personOf({ person }: Caller): CallingPerson {
  if (!person) throw new SluiceError('FORBIDDEN', 'Only a person can do this.');
  return person;
}
