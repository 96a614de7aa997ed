/**
 * passport-jwt with keys from the database. A key verifies only the algorithm it was made for, whatever the token's
 * header says (RFC 8725 §3.1), and a token of a client is good only while the client is enabled.
 */
import { TokenClaims } from '#contracts/clients';
import { ClientEntity } from '#database/entities/client.entity';
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
import { DataSource } from 'typeorm';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import type { Caller } from '../http/caller.js';
import { requireUsable } from './client-state.js';
import { SigningKeys } from './signing-keys.service.js';

/** Longer than any token of ours; refused before any cryptography. */
const maxTokenChars = 8_192;

@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    keys: SigningKeys,
    private readonly dataSource: DataSource,
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
    const { sub, scope, client_id: clientId, epoch, iat } = claims.data;
    if (clientId !== undefined) await this.requireEnabled(clientId, iat);
    return {
      subject: sub,
      requestId: request.id,
      scopes: scope.split(' ').filter(Boolean),
      clientId,
      nodeEpoch: epoch,
    };
  }

  private async requireEnabled(clientId: string, issuedAtS: number): Promise<void> {
    const client = await this.dataSource.getRepository(ClientEntity).findOne({
      select: { id: true, disabled_at: true, expires_at: true, tokens_valid_from: true },
      where: { client_id: clientId },
    });
    if (!client)
      throw new SluiceError('UNAUTHENTICATED', 'The client of this token does not exist any more.');
    requireUsable(client, Date.now());
    if (client.tokens_valid_from && issuedAtS * 1_000 < client.tokens_valid_from.getTime())
      throw new SluiceError('UNAUTHENTICATED', 'The token was revoked. Ask for a new one at /oauth/token.');
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
