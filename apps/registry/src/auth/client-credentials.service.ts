/** Checks client ids and secrets. An unknown client and a wrong secret look alike, in answer and in time. */
import { ClientEntity } from '#database/entities/client.entity';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { liveSecrets } from '../clients/old-secrets.js';
import { requireUsable } from './client-state.js';
import { verifySecret } from './secrets.js';
import { Throttle } from './throttle.js';

export interface Credentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

@Injectable()
export class ClientCredentials {
  constructor(
    private readonly dataSource: DataSource,
    private readonly throttle: Throttle,
  ) {}

  /** @throws SluiceError INVALID_CLIENT, TOO_MANY_ATTEMPTS, or CLIENT_DISABLED to one who knows the secret */
  async verify({ clientId, clientSecret }: Credentials, address: string): Promise<ClientEntity> {
    const client = await this.throttle.guard({ name: `client:${clientId}`, address }, () =>
      this.check(clientId, clientSecret),
    );
    requireUsable(client, Date.now());
    return client;
  }

  private async check(clientId: string, clientSecret: string): Promise<ClientEntity> {
    // PostgreSQL refuses a text with a zero byte, which would look different from a wrong id.
    const client = clientId.includes('\0')
      ? null
      : await this.dataSource.getRepository(ClientEntity).findOneBy({ client_id: clientId });
    const isRight = await matchesAny(clientSecret, client);
    if (!client || !isRight) throw new SluiceError('INVALID_CLIENT', 'The client id or secret is wrong.');
    return client;
  }
}

/** Every secret is tried, so that the time does not tell which one was right. */
async function matchesAny(secret: string, client: ClientEntity | null): Promise<boolean> {
  const old = liveSecrets(client?.old_secrets ?? [], Date.now());
  const hashes = [client?.secret_hash, ...old.map(({ hash }) => hash)];
  const results = await Promise.all(hashes.map((hash) => verifySecret(secret, hash)));
  return results.includes(true);
}

/** The credentials of an Authorization header of the scheme Basic; undefined for any other header. */
export function basicCredentials(header: string | undefined): Credentials | undefined {
  const encoded = header === undefined ? undefined : /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return { clientId: formDecode(text.slice(0, colon)), clientSecret: formDecode(text.slice(colon + 1)) };
}

/** RFC 6749 §2.3.1 has both halves form-encoded, which most clients forget: what does not decode, and a "+", is meant as it is. */
function formDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
