/**
 * passport-jwt guards the control plane. Its "key" is the verifier that the gateways use too, and it verifies by that: its own,
 * jsonwebtoken, knows no EdDSA, and two verifiers would be two sets of rules.
 */
import { bearerToken } from '#platform/tokens';
import type { VerifiedToken, VerifyToken } from '#platform/tokens';
import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { callbackify } from 'node:util';
import { Strategy } from 'passport-jwt';
import type { StrategyOptionsWithRequest } from 'passport-jwt';
import type { Caller } from '../http/caller.js';
import { Callers, machineCaller } from './callers.js';
import { Trust } from './trust.js';

type Done = (error: Error | null, verified?: VerifiedToken) => void;

Object.assign(Strategy, {
  JwtVerifier: (token: string, verify: VerifyToken, _options: unknown, done: Done) =>
    callbackify(verify)(token, done),
});

@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    trust: Trust,
    private readonly callers: Callers,
  ) {
    const verify: VerifyToken = (token) => trust.verify(token);
    super({
      passReqToCallback: true,
      jwtFromRequest: ({ headers }) => bearerToken(headers.authorization) ?? null,
      secretOrKeyProvider: (_request, _token, done) => done(null, verify as unknown as string),
    } satisfies StrategyOptionsWithRequest);
  }

  /** Called by passport-jwt with what the verifier found. */
  validate(request: FastifyRequest, token: VerifiedToken): Promise<Caller> {
    const { subject, clientId, session, outside, scopes, issuedAtMs, claims } = token;
    const holder = { requestId: request.id, scopes, issuedAtMs };
    if (outside !== undefined) return this.callers.outside(clientId ?? subject, holder);
    if (clientId !== undefined) return this.callers.client(clientId, holder);
    if (session !== undefined) return this.callers.person(subject.replace(/^person:/, ''), session, holder);
    const { epoch } = claims;
    return Promise.resolve(machineCaller(subject, holder, typeof epoch === 'number' ? epoch : undefined));
  }
}
