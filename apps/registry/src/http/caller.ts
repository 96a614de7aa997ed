import type { RouteSpec } from '#contracts/route';
import type { Actor } from '#database/transactions';
import { createParamDecorator } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Access } from '../auth/team-access.js';
import type { Exchange } from '../creations/exchange.js';

/** The person behind a request. */
export interface CallingPerson {
  readonly id: string;
  readonly login: string;
  /** Of a token of a session. */
  readonly sessionId: string | undefined;
}

/** Who makes the request, as its token says. */
export interface Caller extends Actor, Access {
  /** Of a client; people, nodes and gateways have none. */
  readonly clientId: string | undefined;
  readonly person: CallingPerson | undefined;
  /** The API token that was sent. */
  readonly apiTokenId?: string;
  /** Of a node: which of its registrations this credential belongs to. */
  readonly nodeEpoch: number | undefined;
  /** Of a request that may come again and must not create twice. */
  readonly exchange?: Exchange;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set by `@Route`; absent for addresses outside the route table. */
    spec?: RouteSpec;
  }
  interface FastifyRequest {
    /** Set once the request is authenticated. */
    caller: Caller | undefined;
  }
}

/** The caller of a route that is not open. */
export const Caller = createParamDecorator((_: unknown, context): Caller => {
  const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
  if (caller === undefined) throw new Error('This route is open: it has no caller');
  return caller;
});
