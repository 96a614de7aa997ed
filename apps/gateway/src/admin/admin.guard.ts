/** Everything on the admin port but health needs a token with the scope `admin`. */
import { Inject, Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { allows } from '#contracts/scopes';
import { SluiceError } from '#platform/errors';
import { authorize } from '../data-plane/authorize.js';
import { Core } from '../data-plane/core.js';
import { identify } from '../data-plane/routing-table.js';
import { isRefusal } from '../data-plane/errors.js';

@Injectable()
export class AdminGuard implements CanActivate {
  constructor(@Inject(Core) private readonly core: Core) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { table } = this.core;
    if (!table) throw new SluiceError('NOT_READY', 'This gateway has no routing table yet. Try again.');
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const who = await identify(table, request.headers.authorization, Date.now());
    const refused = isRefusal(who) ? who : authorize(who, undefined, table, Date.now());
    if (refused) throw new SluiceError(refused.code, refused.detail);
    if (!isRefusal(who) && allows(who.scopes, 'admin')) return true;
    throw new SluiceError('FORBIDDEN', 'The token needs the scope "admin".');
  }
}
