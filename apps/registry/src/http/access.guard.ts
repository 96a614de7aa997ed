/** Authorization: compares the caller, known since the authentication hook, with the access rule of the route. */
import type { Access, RouteSpec } from '#contracts/route';
import { allows } from '#contracts/scopes';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Caller } from './caller.js';

@Injectable()
export class AccessGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { spec } = request.routeOptions.config;
    if (spec === undefined) throw new Error(`${request.method} ${request.url} is not in the route table`);
    authorize(spec, request.caller, request.params as Record<string, string>);
    return true;
  }
}

/** @throws SluiceError FORBIDDEN with the scope that is missing */
export function authorize(
  spec: RouteSpec,
  caller: Caller | undefined,
  params: Readonly<Record<string, string>>,
): void {
  if (spec.access === 'open') return;
  if (caller === undefined) throw new SluiceError('UNAUTHENTICATED', 'Send a token: Authorization: Bearer …');
  if (!isAllowed(spec.access, caller))
    throw new SluiceError('FORBIDDEN', `The token needs the scope "${spec.access}".`);
  const nodeId = spec.access === 'node' ? params['node_id'] : undefined;
  if (nodeId !== undefined && caller.subject !== `node:${nodeId}`)
    throw new SluiceError('FORBIDDEN', 'The credential belongs to another node.');
}

function isAllowed(access: Exclude<Access, 'open'>, caller: Caller): boolean {
  // Whoever got past authentication may; the join token is checked there.
  if (access === 'authenticated' || access === 'join-node' || access === 'join-gateway') return true;
  return allows(caller.scopes, access);
}
