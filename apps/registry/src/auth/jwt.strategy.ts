/**
 * passport-jwt with keys from the database. A key verifies only the algorithm it was made for, whatever the token's
 * header says (RFC 8725 §3.1), and a token of a client is good only while the client is enabled.
 */
import { TokenClaims } from '#contracts/clients';
import { SluiceError } from '#platform/errors';
import { bearerToken } from '#platform/tokens';
import { Inject, Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { decodeProtectedHeader } from 'jose';
import type { KeyObject } from 'node:crypto';
import { callbackify } from 'node:util';
import { Strategy } from 'passport-jwt';
import type { StrategyOptionsWithRequest } from 'passport-jwt';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import type { Caller } from '../http/caller.js';
import { Callers, machineCaller } from './callers.js';
import { SigningKeys } from './signing-keys.service.js';

/** Longer than any token of ours; refused before any cryptography. */
const maxTokenChars = 8_192;

@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    keys: SigningKeys,
    private readonly callers: Callers,
    @Inject(CONFIG) config: RegistryConfig,
  ) {
    super({
      passReqToCallback: true,
      jwtFromRequest: ({ headers }) => tokenOf(headers.authorization),
      secretOrKeyProvider: (_request, token: string, done) => {
        // The types know PEM texts only; jsonwebtoken takes a KeyObject as well.
        callbackify(findKey)(keys, token, (error, key) => done(error, key as unknown as string));
      },
      issuer: config.SLUICE_ISSUER,
      audience: config.SLUICE_AUDIENCE,
      algorithms: ['RS256', 'ES256'],
      jsonWebTokenOptions: { clockTolerance: 5 },
    } satisfies StrategyOptionsWithRequest);
  }

  /** Called by passport-jwt with a token whose signature, issuer, audience and times are right. */
  async validate(request: FastifyRequest, payload: unknown): Promise<Caller> {
    const claims = TokenClaims.safeParse(payload);
    if (!claims.success)
      throw new SluiceError('UNAUTHENTICATED', 'The token lacks a claim.', { cause: claims.error });
    const { sub, scope, client_id: clientId, sid, epoch, iat } = claims.data;
    const holder = {
      requestId: request.id,
      scopes: scope.split(' ').filter(Boolean),
      issuedAtMs: iat * 1_000,
    };
    if (clientId !== undefined) return this.callers.client(clientId, holder);
    if (sid !== undefined) return this.callers.person(sub.replace(/^person:/, ''), sid, holder);
    return machineCaller(sub, holder, epoch);
  }
}

function tokenOf(authorization: string | undefined): string | null {
  const token = bearerToken(authorization);
  return token === undefined || token.length > maxTokenChars ? null : token;
}

async function findKey(keys: SigningKeys, token: string): Promise<KeyObject> {
  const { kid, alg, crit } = decodeProtectedHeader(token);
  // RFC 7515 §4.1.11; jsonwebtoken does not look at it. We know no extension.
  if (crit !== undefined) throw new Error('critical extension');
  const key = typeof kid === 'string' ? await keys.verificationKey(kid) : undefined;
  if (!key) throw new Error('no key of this installation');
  if (key.algorithm !== alg) throw new Error('algorithm of another key');
  return key.publicKey;
}
