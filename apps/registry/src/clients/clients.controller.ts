import type { Client, ClientWithSecret } from '#contracts/clients';
import type { Page } from '#contracts/common';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { ClientsService } from './clients.service.js';

type R = typeof routes.clients;

@Controller()
export class ClientsController {
  constructor(private readonly clients: ClientsService) {}

  @Route(routes.clients.create)
  create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<ClientWithSecret> {
    return this.clients.create(body, caller);
  }

  @Route(routes.clients.list)
  list(@Input() { query }: RouteInput<R['list']>, @Caller() caller: Caller): Promise<Page<Client>> {
    return this.clients.list(query, caller);
  }

  @Route(routes.clients.read)
  read(@Input() { params }: RouteInput<R['read']>, @Caller() caller: Caller): Promise<Client> {
    return this.clients.read(params.client_id, caller);
  }

  @Route(routes.clients.update)
  update(@Input() { params, body }: RouteInput<R['update']>, @Caller() caller: Caller): Promise<Client> {
    return this.clients.update(params.client_id, body, caller);
  }

  @Route(routes.clients.disable)
  disable(@Input() { params }: RouteInput<R['disable']>, @Caller() caller: Caller): Promise<Client> {
    return this.clients.disable(params.client_id, caller);
  }

  @Route(routes.clients.enable)
  enable(@Input() { params }: RouteInput<R['enable']>, @Caller() caller: Caller): Promise<Client> {
    return this.clients.enable(params.client_id, caller);
  }

  @Route(routes.clients.revokeTokens)
  revokeTokens(
    @Input() { params }: RouteInput<R['revokeTokens']>,
    @Caller() caller: Caller,
  ): Promise<Client> {
    return this.clients.revokeTokens(params.client_id, caller);
  }

  @Route(routes.clients.rotateSecret)
  rotateSecret(
    @Input() { params, query }: RouteInput<R['rotateSecret']>,
    @Caller() caller: Caller,
  ): Promise<ClientWithSecret> {
    return this.clients.rotateSecret(params.client_id, query.overlap_s, caller);
  }
}
