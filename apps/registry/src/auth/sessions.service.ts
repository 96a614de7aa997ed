/**
 * Sessions of people: an access token for minutes, and a refresh token that is good for one use and gets the next pair. A refresh
 * token that comes a second time was stolen, by the first or the second who used it: the session ends. Only hashes are stored.
 */
import type { SessionTokens } from '#contracts/people';
import { PersonEntity, RefreshTokenEntity, SessionEntity } from '#database/entities/person.entity';
import { Transactions } from '#database/transactions';
import type { Actor, WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, IsNull } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { scopesOfAll } from '#contracts/roles';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { requireUsablePerson } from './client-state.js';
import { verifyPassword } from './passwords.js';
import { digestOf, newRefreshToken } from './secrets.js';
import { Throttle } from './throttle.js';
import { TokenIssuer } from './token-issuer.service.js';

interface Renewed {
  readonly person: PersonEntity;
  readonly session: SessionEntity;
  readonly refreshToken: string;
}

@Injectable()
export class Sessions {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly throttle: Throttle,
    private readonly issuer: TokenIssuer,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** An unknown login and a wrong password look alike, in answer and in time. @throws SluiceError INVALID_CREDENTIALS */
  async signIn(login: string, password: string, address: string, requestId: string): Promise<SessionTokens> {
    const person = await this.checkPassword(login, password, address);
    requireUsablePerson(person);
    return this.begin(person, requestId);
  }

  /** @throws SluiceError INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS */
  checkPassword(login: string, password: string, address: string): Promise<PersonEntity> {
    return this.throttle.guard({ name: `person:${login}`, address }, async () => {
      // PostgreSQL refuses a text with a zero byte, which would look different from a wrong login.
      const person = login.includes('\0')
        ? null
        : await this.dataSource.getRepository(PersonEntity).findOneBy({ login });
      const isRight = await verifyPassword(password, person?.password_hash ?? null);
      if (!person || !isRight)
        throw new SluiceError('INVALID_CREDENTIALS', 'The login or password is wrong.');
      return person;
    });
  }

  /** For someone who has proved who it is. */
  async begin(person: PersonEntity, requestId: string): Promise<SessionTokens> {
    const now = new Date();
    const expiresAt = new Date(now.getTime() + this.config.SLUICE_SESSION_TTL_S * 1_000);
    const session = {
      id: uuidv7(),
      person_id: person.id,
      created_at: now,
      expires_at: expiresAt,
      ended_at: null,
    };
    const refreshToken = await this.transactions.write(actorOf(person, requestId), async (tx) => {
      await tx.manager.insert(SessionEntity, session);
      await tx.manager.update(PersonEntity, { id: person.id }, { last_sign_in_at: now });
      const subject = `people/${person.login}/sessions/${session.id}`;
      await tx.audit({ action: 'session.begin', subject, after: { expires_at: expiresAt, ended_at: null } });
      return addRefreshToken(tx, session);
    });
    return this.tokens({ person, session, refreshToken });
  }

  /** @throws SluiceError INVALID_GRANT, PERSON_DISABLED */
  refresh(refreshToken: string, address: string, requestId: string): Promise<SessionTokens> {
    return this.throttle.guard({ name: undefined, address }, async () => {
      const actor = { subject: 'system', requestId };
      // A reuse must be written down, so the refusal comes after the commit.
      const outcome = await this.transactions.write(actor, (tx) => renew(tx, refreshToken));
      if (typeof outcome === 'string') throw new SluiceError('INVALID_GRANT', refusals[outcome]);
      requireUsablePerson(outcome.person);
      return this.tokens(outcome);
    });
  }

  /** Signs out. */
  async end(sessionId: string, login: string, actor: Actor): Promise<void> {
    await this.transactions.write(actor, (tx) => endSession(tx, sessionId, login, 'session.end'));
  }

  private async tokens({ person, session, refreshToken }: Renewed): Promise<SessionTokens> {
    const scopes = scopesOfAll(person.roles);
    const { token, expiresInS } = await this.issuer.issueForPerson(person, session.id, scopes);
    return {
      access_token: token,
      token_type: 'Bearer',
      expires_in: expiresInS,
      scope: scopes.join(' '),
      refresh_token: refreshToken,
      session_expires_at: session.expires_at.toISOString(),
    };
  }
}

const refusals = {
  unknown: 'The refresh token is not valid. Sign in again.',
  reused: 'The refresh token was used before, so its session is ended. Sign in again.',
} as const;

const actorOf = ({ login }: PersonEntity, requestId: string): Actor => ({
  subject: `person:${login}`,
  requestId,
});

async function addRefreshToken(tx: WriteContext, session: SessionEntity): Promise<string> {
  const token = newRefreshToken();
  const row = { hash: digestOf(token), session_id: session.id, created_at: new Date(), used_at: null };
  await tx.manager.insert(RefreshTokenEntity, row);
  return token;
}

async function renew(tx: WriteContext, refreshToken: string): Promise<Renewed | 'unknown' | 'reused'> {
  const { manager } = tx;
  const used = await manager.findOne(RefreshTokenEntity, {
    where: { hash: digestOf(refreshToken) },
    lock: { mode: 'pessimistic_write' },
  });
  const session = used && (await manager.findOneBy(SessionEntity, { id: used.session_id }));
  const person = session && (await manager.findOneBy(PersonEntity, { id: session.person_id }));
  if (!person || session.ended_at || session.expires_at.getTime() <= Date.now()) return 'unknown';
  if (used.used_at) {
    await endSession(tx, session.id, person.login, 'session.refresh_token_reused');
    return 'reused';
  }
  await manager.update(RefreshTokenEntity, { hash: used.hash }, { used_at: new Date() });
  return { person, session, refreshToken: await addRefreshToken(tx, session) };
}

async function endSession(tx: WriteContext, id: string, login: string, action: string): Promise<void> {
  const endedAt = new Date();
  const { affected } = await tx.manager.update(
    SessionEntity,
    { id, ended_at: IsNull() },
    { ended_at: endedAt },
  );
  if (affected === 0) return;
  const subject = `people/${login}/sessions/${id}`;
  await tx.audit({ action, subject, before: { ended_at: null }, after: { ended_at: endedAt } });
  tx.routingChanged();
}

/** Ends all sessions of a person but one. @returns how many */
export async function endSessions(tx: WriteContext, personId: string, except?: string): Promise<number> {
  const rows = await tx.manager.query<[unknown[], number]>(
    `UPDATE sessions SET ended_at = now()
     WHERE person_id = $1 AND ended_at IS NULL AND expires_at > now() AND id IS DISTINCT FROM $2`,
    [personId, except ?? null],
  );
  tx.routingChanged();
  return rows[1];
}
