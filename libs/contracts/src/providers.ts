/** Sign-in providers: OpenID Connect providers that vouch for people. */
import { z } from 'zod';
import { Timestamp, pageOf, pageQuery } from './common.js';
import { RoleGrants } from './roles.js';

const ProviderName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be a short lower-case word')
  .describe('Name of the provider here; a part of its redirect address');
const ClaimName = z.string().min(1).max(200).describe('Name of a claim, or a path into one');

/** Roles come with every sign-in, from each word of a claim; or (null) an admin gives them here. */
const RoleMapping = z
  .strictObject({ claim: ClaimName, map: z.record(z.string().max(1_000), RoleGrants) })
  .nullable();
export type RoleMapping = z.infer<typeof RoleMapping>;

const terms = {
  issuer: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .describe('Where discovery finds everything else'),
  client_id: z.string().min(1).max(500).describe('What Sluice is called there'),
  scopes: z.array(z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]+$/)).max(50),
  login_claim: ClaimName,
  roles: RoleMapping,
};

export const ProviderParams = z.object({ provider: ProviderName });
export const SignInProvider = z
  .object({
    name: ProviderName,
    ...terms,
    redirect_uri: z.string().describe('To be registered at the provider'),
    has_secret: z.boolean(),
    disabled_at: Timestamp.nullable(),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'SignInProvider' });
export type SignInProvider = z.infer<typeof SignInProvider>;

const ClientSecret = z.string().min(1).max(1_024);
export const CreateProvider = z.strictObject({
  name: ProviderName,
  ...terms,
  scopes: terms.scopes.default(['openid', 'profile', 'email']),
  login_claim: terms.login_claim.default('email'),
  roles: RoleMapping.default(null),
  client_secret: ClientSecret.nullable().default(null).describe('null: a public client, by PKCE alone'),
});
export const UpdateProvider = z.strictObject({
  scopes: terms.scopes.optional(),
  login_claim: terms.login_claim.optional(),
  roles: RoleMapping.optional(),
  client_secret: ClientSecret.nullable().optional(),
  disabled: z.boolean().optional(),
});
export const ListProviders = z.strictObject({ ...pageQuery });
export const ProviderPage = pageOf(SignInProvider);
export const ProviderNames = z.object({ items: z.array(z.object({ name: ProviderName })) });
export const StartSignIn = z.strictObject({
  to: z
    .enum(['console'])
    .optional()
    .describe('Lead the browser to the console in the end, in place of answering the tokens'),
});
/** What the provider sends the browser back with; it may add what it likes. */
export const SignInCallback = z.looseObject({ state: z.string().max(1_024) });
