/**
 * From what a credential says to who calls. A client or person is looked up at each request, so that disabling, revoking and new
 * roles hold at once.
 */
import { scopesOf, scopesOfAll } from '#contracts/roles';
import { ClientEntity } from '#database/entities/client.entity';
import { PersonEntity, SessionEntity } from '#database/entities/person.entity';
import { SluiceError } from '#platform/errors';
import { SharedReads } from '#platform/shared-reads';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Caller } from '../http/caller.js';
import { requireUsable, requireUsablePerson } from './client-state.js';
import { covers } from './scope-selection.js';

/** What a verified token says of its holder. */
export interface Holder {
  readonly requestId: string;
  readonly scopes: readonly string[];
  readonly issuedAtMs: number;
}

@Injectable()
export class Callers {
  readonly #clients = new SharedReads((clientId) =>
    this.dataSource.getRepository(ClientEntity).findOne({
      select: { id: true, disabled_at: true, expires_at: true, tokens_valid_from: true },
      where: { client_id: clientId },
    }),
  );

  constructor(private readonly dataSource: DataSource) {}

  /** @throws SluiceError UNAUTHENTICATED, CLIENT_DISABLED */
  async client(clientId: string, holder: Holder): Promise<Caller> {
    if (!(await this.checkClient(clientId, holder)))
      throw new SluiceError('UNAUTHENTICATED', 'The client of this token does not exist any more.');
    return clientCaller(clientId, holder);
  }

  /** By an outside issuer: it may be one of our clients, and then what is decided about that holds. */
  async outside(clientId: string, holder: Holder): Promise<Caller> {
    await this.checkClient(clientId, holder);
    return clientCaller(clientId, holder);
  }

  /** @returns whether there is such a client */
  private async checkClient(clientId: string, holder: Holder): Promise<boolean> {
    const client = await this.#clients.get(clientId);
    if (!client) return false;
    requireUsable(client, Date.now());
    requireNotRevoked(client, holder);
    return true;
  }

  /** @throws SluiceError UNAUTHENTICATED, PERSON_DISABLED */
  async person(login: string, sessionId: string, holder: Holder): Promise<Caller> {
    const person = await this.dataSource.getRepository(PersonEntity).findOneBy({ login });
    const session = await this.dataSource.getRepository(SessionEntity).findOneBy({ id: sessionId });
    if (!person || session?.person_id !== person.id)
      throw new SluiceError('UNAUTHENTICATED', 'The person of this token does not exist any more.');
    requireUsablePerson(person);
    requireNotRevoked(person, holder);
    if (session.ended_at || session.expires_at.getTime() <= Date.now())
      throw new SluiceError('UNAUTHENTICATED', 'The session is over. Sign in again.');
    return personCaller(person, sessionId, holder);
  }
}

/** Nodes and gateways: nothing of a team's is theirs. */
export const machineCaller = (
  subject: string,
  { requestId, scopes }: Pick<Holder, 'requestId' | 'scopes'>,
  nodeEpoch?: number,
): Caller => ({ subject, requestId, scopes, grants: [], clientId: undefined, person: undefined, nodeEpoch });

/** A client's scopes hold in every team. */
export function clientCaller(
  clientId: string,
  { requestId, scopes }: Pick<Holder, 'requestId' | 'scopes'>,
): Caller {
  return {
    subject: `client:${clientId}`,
    requestId,
    scopes,
    grants: [{ team: null, scopes }],
    clientId,
    person: undefined,
    nodeEpoch: undefined,
  };
}

/** The token may allow less than the roles, never more. */
export function personCaller(
  { id, login, roles }: PersonEntity,
  sessionId: string | undefined,
  { requestId, scopes }: Pick<Holder, 'requestId' | 'scopes'>,
): Caller {
  const own = scopesOfAll(roles);
  return {
    subject: `person:${login}`,
    requestId,
    scopes: scopes.filter((scope) => covers(own, scope)),
    grants: roles.map((grant) => ({ team: grant.team, scopes: scopesOf(grant) })),
    clientId: undefined,
    person: { id, login, sessionId },
    nodeEpoch: undefined,
  };
}

function requireNotRevoked(
  { tokens_valid_from: from }: { readonly tokens_valid_from: Date | null },
  { issuedAtMs }: Holder,
): void {
  if (from && issuedAtMs < from.getTime())
    throw new SluiceError('UNAUTHENTICATED', 'The token was revoked. Ask for a new one.');
}
