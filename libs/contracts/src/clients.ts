/** Clients (service accounts), tokens, quotas and the audit log. */
import { z } from 'zod';
import { Id, ModelName, Name, Timestamp, pageOf, pageQuery } from './common.js';
import { GrantableScope } from './scopes.js';
import { TeamName, defaultTeam } from './teams.js';

export const ClientParams = z.object({ client_id: z.string().min(1).max(255) });
const EndpointList = z
  .array(ModelName)
  .max(1_000)
  .describe('The only endpoints that the client may call, whatever its scopes; null: no such list');
export const Client = z
  .object({
    id: Id,
    client_id: z.string().describe('What the client signs in with'),
    name: Name,
    team: TeamName,
    scopes: z.array(GrantableScope),
    endpoints: EndpointList.nullable(),
    expires_at: Timestamp.nullable().describe('From then on neither its secrets nor its tokens work'),
    tokens_valid_from: Timestamp.nullable()
      .default(null)
      .describe('Tokens that were issued before are revoked'),
    disabled_at: Timestamp.nullable(),
    secret_rotated_at: Timestamp,
    created_at: Timestamp,
  })
  .meta({ id: 'Client' });
export type Client = z.infer<typeof Client>;
export const ClientWithSecret = Client.extend({
  client_secret: z.string().describe('Shown this one time'),
}).meta({ id: 'ClientWithSecret' });
export type ClientWithSecret = z.infer<typeof ClientWithSecret>;
export const CreateClient = z.strictObject({
  name: Name,
  client_id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{2,127}$/, 'must be 3 to 128 of a-z, 0-9, ".", "_" and "-"')
    .optional()
    .describe('Default: made up'),
  team: TeamName.default(defaultTeam),
  scopes: z.array(GrantableScope).min(1).max(200),
  endpoints: EndpointList.nullable().default(null),
  expires_at: Timestamp.nullable().default(null),
});
export const UpdateClient = z.strictObject({
  name: Name.optional(),
  scopes: CreateClient.shape.scopes
    .optional()
    .describe('Taking one away also revokes the access tokens that are out'),
  endpoints: EndpointList.nullable().optional(),
  expires_at: Timestamp.nullable().optional(),
});
export const RotateSecret = z.strictObject({
  overlap_s: z.coerce
    .number()
    .int()
    .min(0)
    .max(30 * 86_400)
    .default(0)
    .describe('Seconds for which the secrets before it go on working'),
});
export const ListClients = z.strictObject({ ...pageQuery });
export const ClientPage = pageOf(Client);

/** RFC 6749 §4.4; client id and secret in the body or as HTTP Basic. */
const ClientCredentialsGrant = z.object({
  grant_type: z.literal('client_credentials'),
  client_id: z.string().max(255).optional(),
  client_secret: z.string().max(1_024).optional(),
  scope: z.string().max(8_192).optional().describe('A subset of the client’s scopes, separated by spaces'),
});
export type ClientCredentialsGrant = z.output<typeof ClientCredentialsGrant>;
/** RFC 6749 §6, for the sessions of people. */
const RefreshGrant = z.object({
  grant_type: z.literal('refresh_token'),
  refresh_token: z.string().max(1_024),
});
export const TokenRequest = z.discriminatedUnion('grant_type', [ClientCredentialsGrant, RefreshGrant]);
export const TokenResponse = z
  .object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.int().describe('Seconds'),
    scope: z.string(),
    refresh_token: z.string().optional().describe('Of a person’s session; good for one use'),
  })
  .meta({ id: 'TokenResponse' });
export type TokenResponse = z.infer<typeof TokenResponse>;

/** A public key, RFC 7517. */
export const Jwk = z
  .object({
    kid: z.string(),
    kty: z.enum(['RSA', 'EC']),
    alg: z.enum(['RS256', 'ES256']),
    use: z.literal('sig'),
    n: z.string().optional(),
    e: z.string().optional(),
    crv: z.string().optional(),
    x: z.string().optional(),
    y: z.string().optional(),
  })
  .meta({ id: 'Jwk' });
export type Jwk = z.infer<typeof Jwk>;
export const Jwks = z.object({ keys: z.array(Jwk) }).meta({ id: 'Jwks' });
export type Jwks = z.infer<typeof Jwks>;

/** A key of the registry's, without its private part. */
export const SigningKey = z
  .object({
    kid: z.string(),
    algorithm: z.enum(['RS256', 'ES256']),
    state: z
      .enum(['PUBLISHED', 'SIGNING', 'RETIRED'])
      .describe(
        'PUBLISHED: known to all, signs from `signs_from` on; RETIRED: only verifies what it has signed',
      ),
    signs_from: Timestamp,
    retired_at: Timestamp.nullable(),
    created_at: Timestamp,
  })
  .meta({ id: 'SigningKey' });
export type SigningKey = z.infer<typeof SigningKey>;
export const SigningKeys = z.object({ items: z.array(SigningKey) });

/** Claims of a token that the registry issued. `sub` is `client:<client_id>`, `person:<login>`, `node:<id>` or `gateway:<id>`. */
export const TokenClaims = z.object({
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  sub: z.string().min(1),
  scope: z.string().default(''),
  iat: z.number(),
  exp: z.number(),
  jti: z.string().optional(),
  client_id: z.string().optional(),
  team: z.string().optional().describe('Of a client: the name of its team'),
  sid: z.string().optional().describe('Of a person: the session'),
  epoch: z.int().optional().describe('Of a node: which of its registrations the token belongs to'),
});
export type TokenClaims = z.infer<typeof TokenClaims>;

export const AuditEntry = z
  .object({
    id: Id,
    at: Timestamp,
    actor: z.string(),
    action: z.string().describe('`noun.verb`'),
    subject: z.string().describe('What was changed, as a path: `models/iris/versions/2`'),
    before: z.unknown(),
    after: z.unknown(),
    request_id: z.string().nullable(),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof AuditEntry>;
export const ListAudit = z.strictObject({
  ...pageQuery,
  actor: z.string().max(300).optional(),
  action: z.string().max(100).optional(),
  subject_prefix: z.string().max(600).optional(),
});
export const AuditPage = pageOf(AuditEntry);
