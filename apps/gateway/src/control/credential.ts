/** The gateway's own credential: gets it with the join token, renews it early, keeps it when the registry is away. */
import { backoffMs, pause, registryBackoff } from '#client/backoff';
import { createClient } from '#client/client';
import type { SluiceClient } from '#client/client';
import { programVersion } from '#platform/program';
import type { Logger } from '#platform/logger';
import type { GatewayFiles, SavedCredential } from './files.js';

export interface CredentialOptions {
  readonly registryUrl: string;
  readonly joinToken: string;
  readonly name: string;
  readonly file: GatewayFiles['credential'];
  readonly logger: Logger;
  /** Gets the credential at the start, and each new one. */
  readonly use: (credential: string) => void;
}

/** Renewed when this part of its life is over: the rest is for a registry that is away. */
const renewAfterShare = 0.5;
const minRenewMs = 1_000;
/** Timers cannot run longer. */
const maxRenewMs = 2_147_483_647;

/** Starts with the saved credential if it still holds, then keeps a fresh one until the signal. */
export async function keepCredential(options: CredentialOptions, signal: AbortSignal): Promise<void> {
  const saved = await options.file.read();
  if (saved && saved.expires_at_ms > Date.now()) options.use(saved.credential);
  const client = createClient({ baseUrl: options.registryUrl, token: () => options.joinToken });
  let failures = 0;
  while (!signal.aborted) {
    try {
      const lifeMs = await renew(client, options, signal);
      failures = 0;
      await pause(Math.min(maxRenewMs, Math.max(minRenewMs, lifeMs * renewAfterShare)), signal);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (failures === 1 || failures % 10 === 0)
        options.logger.warn({ err: error, failures }, 'cannot register with the registry');
      await pause(backoffMs(registryBackoff, failures, Math.random), signal);
    }
  }
}

async function renew(client: SluiceClient, options: CredentialOptions, signal: AbortSignal): Promise<number> {
  const answer = await client.gateways.register({
    body: { name: options.name, program_version: programVersion },
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  });
  const lifeMs = answer.expires_in * 1_000;
  options.use(answer.credential);
  const saved: SavedCredential = { credential: answer.credential, expires_at_ms: Date.now() + lifeMs };
  await options.file.write(saved, true);
  return lifeMs;
}
