/** Keeps an access token fresh from client credentials. */
import type { TokenResponse } from '#contracts/clients';
import { createClient } from './client.js';

export interface ClientCredentials {
  readonly baseUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope?: string;
}

/** Renewed this long before it runs out, so that no call carries a token that dies on the way. */
const renewBeforeMs = 60_000;

/** A token source for {@link ClientOptions}: asks for a token when there is none or it is about to end; concurrent calls share one request. */
export function clientCredentials(
  credentials: ClientCredentials,
  nowMs: () => number = Date.now,
): () => Promise<string> {
  const client = createClient({ baseUrl: credentials.baseUrl });
  let current: { readonly token: string; readonly renewAtMs: number } | undefined;
  let pending: Promise<string> | undefined;

  const renew = async (): Promise<string> => {
    const answer: TokenResponse = await client.auth.token({
      body: {
        grant_type: 'client_credentials',
        client_id: credentials.clientId,
        client_secret: credentials.clientSecret,
        ...(credentials.scope === undefined ? {} : { scope: credentials.scope }),
      },
    });
    current = { token: answer.access_token, renewAtMs: nowMs() + answer.expires_in * 1_000 - renewBeforeMs };
    return answer.access_token;
  };

  return () => {
    if (current && nowMs() < current.renewAtMs) return Promise.resolve(current.token);
    pending ??= renew().finally(() => (pending = undefined));
    return pending;
  };
}
