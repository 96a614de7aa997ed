import type { ClientEntity } from '#database/entities/client.entity';
import { SluiceError } from '#platform/errors';

/** @throws SluiceError CLIENT_DISABLED when the client is disabled or has expired */
export function requireUsable(client: Pick<ClientEntity, 'disabled_at' | 'expires_at'>, nowMs: number): void {
  if (client.disabled_at) throw new SluiceError('CLIENT_DISABLED', 'The client is disabled.');
  if (client.expires_at && client.expires_at.getTime() <= nowMs)
    throw new SluiceError('CLIENT_DISABLED', 'The client has expired.');
}
