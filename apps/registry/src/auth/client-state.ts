import type { ClientEntity } from '#database/entities/client.entity';
import type { PersonEntity } from '#database/entities/person.entity';
import { SluiceError } from '#platform/errors';

/** @throws SluiceError CLIENT_DISABLED when the client is disabled or has expired */
export function requireUsable(client: Pick<ClientEntity, 'disabled_at' | 'expires_at'>, nowMs: number): void {
  if (client.disabled_at) throw new SluiceError('CLIENT_DISABLED', 'The client is disabled.');
  if (client.expires_at && client.expires_at.getTime() <= nowMs)
    throw new SluiceError('CLIENT_DISABLED', 'The client has expired.');
}

/** @throws SluiceError PERSON_DISABLED */
export function requireUsablePerson(person: Pick<PersonEntity, 'disabled_at'>): void {
  if (person.disabled_at) throw new SluiceError('PERSON_DISABLED', 'The person is disabled.');
}

/** Tokens say in whole seconds when they were issued, so the next whole second is the first that is not revoked. */
export const nextWholeSecond = (nowMs: number): Date => new Date((Math.floor(nowMs / 1_000) + 1) * 1_000);
