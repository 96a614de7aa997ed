import type { ClientEntity, OldSecret } from '#database/entities/client.entity';

/** Each one costs a login attempt one more slow hash. */
const maxOldSecrets = 4;

/** The secrets that work beside a new one: the current and those before it, none longer than the overlap, the newest first. */
export function retireSecret(
  client: Pick<ClientEntity, 'secret_hash' | 'old_secrets'>,
  overlapS: number,
  nowMs: number,
): OldSecret[] {
  if (overlapS === 0) return [];
  const endsAtMs = nowMs + overlapS * 1_000;
  const retired = { hash: client.secret_hash, expires_at: new Date(endsAtMs).toISOString() };
  const older = liveSecrets(client.old_secrets, nowMs).map(({ hash, expires_at }) => ({
    hash,
    expires_at: new Date(Math.min(Date.parse(expires_at), endsAtMs)).toISOString(),
  }));
  return [retired, ...older].slice(0, maxOldSecrets);
}

export const liveSecrets = (secrets: readonly OldSecret[], nowMs: number): OldSecret[] =>
  secrets.filter(({ expires_at }) => Date.parse(expires_at) > nowMs);
