/** Outside issuers: who else may issue tokens, and what the claims of such a token mean here. */
import { z } from 'zod';
import { Timestamp, pageOf, pageQuery } from './common.js';
import { GrantableScope } from './scopes.js';
import { TeamName } from './teams.js';

/** The algorithms that an outside issuer can be allowed; nothing symmetric, and never `none`. */
export const outsideAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

const ClaimName = z
  .string()
  .min(1)
  .max(200)
  .describe('Name of a claim, or a path into one: `realm_access.roles`');
const claimValue = z.string().max(1_000);

/** One text: fixed, or a claim's, or what a claim's value is mapped to. */
const textFrom = <T extends z.ZodType<string>>(text: T) =>
  z.union([
    z.strictObject({ value: text }),
    z.strictObject({ claim: ClaimName, map: z.record(claimValue, text) }),
    z.strictObject({ claim: ClaimName }),
  ]);

export const ClaimMapping = z.strictObject({
  client: textFrom(z.string().min(1).max(255))
    .default({ claim: 'sub' })
    .describe(
      'As which client the token acts. `value` and `map` may name one of ours; what a bare claim says stands behind the issuer’s name: `github:octocat`',
    ),
  team: textFrom(TeamName).default({ value: 'default' }).describe('For which team its usage counts'),
  scopes: z
    .union([
      z.strictObject({ value: z.array(GrantableScope).max(200) }),
      z.strictObject({ claim: ClaimName, map: z.record(claimValue, z.array(GrantableScope).max(200)) }),
    ])
    .describe('Fixed, or by each word of a claim; words that are not mapped give nothing'),
});
export type ClaimMapping = z.infer<typeof ClaimMapping>;

/** A public key as others publish it (RFC 7517), without what is of no use here: private parts, certificates. */
export const OutsideJwk = z.object({
  kty: z.enum(['RSA', 'EC', 'OKP']),
  kid: z.string().optional(),
  alg: z.string().optional(),
  use: z.literal('sig').optional(),
  crv: z.string().optional(),
  n: z.string().optional(),
  e: z.string().optional(),
  x: z.string().optional(),
  y: z.string().optional(),
});
export type OutsideJwk = z.infer<typeof OutsideJwk>;
export const OutsideJwks = z.object({ keys: z.array(OutsideJwk) });
export type OutsideJwks = z.infer<typeof OutsideJwks>;

const IssuerName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be a short lower-case word')
  .describe('Name of the issuer here');
const Url = z.url({ protocol: /^https?$/ }).max(2_000);

/** What both sides need to verify a token of the issuer. */
const rules = {
  name: IssuerName,
  issuer: z.string().min(1).max(2_000).describe('`iss` of its tokens, to the letter'),
  audiences: z.array(z.string().min(1).max(500)).min(1).max(20).describe('A token must be for one of them'),
  algorithms: z.array(z.enum(outsideAlgorithms)).min(1),
  mapping: ClaimMapping,
};

export const IssuerParams = z.object({ issuer_name: IssuerName });
export const Issuer = z
  .object({
    ...rules,
    jwks_url: Url.nullable().describe('null: found by OpenID Connect discovery at the issuer'),
    key_ids: z.array(z.string()).describe('Keys that are known of it'),
    keys_fetched_at: Timestamp.nullable(),
    keys_error: z
      .string()
      .nullable()
      .describe('Why its keys could not be read the last time; the known ones stay'),
    disabled_at: Timestamp.nullable(),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Issuer' });
export type Issuer = z.infer<typeof Issuer>;
export const CreateIssuer = z.strictObject({
  ...rules,
  algorithms: rules.algorithms.default(['RS256', 'ES256']),
  jwks_url: Url.nullable().default(null),
});
export const UpdateIssuer = z.strictObject({
  audiences: rules.audiences.optional(),
  algorithms: rules.algorithms.optional(),
  mapping: ClaimMapping.optional(),
  jwks_url: Url.nullable().optional(),
  disabled: z.boolean().optional(),
});
export const ListIssuers = z.strictObject({ ...pageQuery });
export const IssuerPage = pageOf(Issuer);
/** A gateway saw a token that names a key which is not known of its issuer. */
export const UnknownKey = z.strictObject({ issuer_name: IssuerName });

/** As gateways get it. */
export const SnapshotIssuer = z.object({ ...rules, jwks: OutsideJwks });
export type SnapshotIssuer = z.infer<typeof SnapshotIssuer>;
