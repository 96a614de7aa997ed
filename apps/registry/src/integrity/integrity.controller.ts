import type { Integrity, PolicyReport, ReleasePolicy, TrustedKey } from '#contracts/integrity';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { IntegrityService } from './integrity.service.js';

type R = typeof routes.integrity;

@Controller()
export class IntegrityController {
  constructor(private readonly integrity: IntegrityService) {}

  @Route(routes.integrity.listKeys)
  listKeys(): Promise<{ items: TrustedKey[] }> {
    return this.integrity.listKeys();
  }

  @Route(routes.integrity.addKey)
  addKey(@Input() { body }: RouteInput<R['addKey']>, @Caller() caller: Caller): Promise<TrustedKey> {
    return this.integrity.addKey(body, caller);
  }

  @Route(routes.integrity.revokeKey)
  revokeKey(@Input() { params }: RouteInput<R['revokeKey']>, @Caller() caller: Caller): Promise<TrustedKey> {
    return this.integrity.revokeKey(params.key, caller);
  }

  @Route(routes.integrity.read)
  read(@Input() { params }: RouteInput<R['read']>): Promise<Integrity> {
    return this.integrity.read(params);
  }

  @Route(routes.integrity.attest)
  attest(@Input() { params, body }: RouteInput<R['attest']>, @Caller() caller: Caller): Promise<Integrity> {
    return this.integrity.attest(params, body, caller);
  }

  @Route(routes.integrity.readPolicy)
  readPolicy(): Promise<PolicyReport> {
    return this.integrity.readPolicy();
  }

  @Route(routes.integrity.setPolicy)
  setPolicy(@Input() { body }: RouteInput<R['setPolicy']>, @Caller() caller: Caller): Promise<PolicyReport> {
    return this.integrity.setPolicy(body, caller);
  }

  @Route(routes.integrity.setModelPolicy)
  setModelPolicy(
    @Input() { params, body }: RouteInput<R['setModelPolicy']>,
    @Caller() caller: Caller,
  ): Promise<ReleasePolicy> {
    return this.integrity.setModelPolicy(params.model, body, caller);
  }
}
