import type { SignInProvider } from '#contracts/providers';
import type { SignInProviderEntity } from '#database/entities/provider.entity';

/** Under which name its secret is sealed. */
export const secretName = (provider: string): string => `sign-in-providers/${provider}`;

/** Where the provider sends browsers back to. */
export const redirectUri = (provider: string, publicUrl: string): string =>
  new URL(`/auth/${provider}/callback`, publicUrl).href;

export const toProvider = (row: SignInProviderEntity, publicUrl: string): SignInProvider => ({
  name: row.name,
  issuer: row.issuer,
  client_id: row.client_id,
  scopes: row.scopes,
  login_claim: row.login_claim,
  roles: row.roles,
  redirect_uri: redirectUri(row.name, publicUrl),
  has_secret: row.client_secret !== null,
  disabled_at: row.disabled_at?.toISOString() ?? null,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
});
