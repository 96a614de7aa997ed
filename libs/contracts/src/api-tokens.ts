/** API tokens: for trainers, CI and scripts, which cannot renew a token every few minutes. */
import { z } from 'zod';
import { Id, Name, Timestamp, pageOf, pageQuery } from './common.js';
import { GrantableScope } from './scopes.js';

/** By it a token is told from a JWT, and found by secret scanners. */
export const apiTokenPrefix = 'slu_';

export const ApiTokenParams = z.object({ api_token_id: Id });
export const ApiToken = z
  .object({
    id: Id,
    name: Name,
    client_id: z.string().nullable().describe('The client as which it acts'),
    login: z.string().nullable().describe('The person as whom it acts'),
    scopes: z.array(GrantableScope).describe('What of it the holder has no more counts no more'),
    created_by: z.string(),
    created_at: Timestamp,
    expires_at: Timestamp.nullable(),
    last_used_at: Timestamp.nullable().describe('To the minute'),
    revoked_at: Timestamp.nullable(),
  })
  .meta({ id: 'ApiToken' });
export type ApiToken = z.infer<typeof ApiToken>;
export const ApiTokenWithSecret = ApiToken.extend({
  token: z.string().describe('Shown this one time; send it as Authorization: Bearer …'),
}).meta({ id: 'ApiTokenWithSecret' });
export type ApiTokenWithSecret = z.infer<typeof ApiTokenWithSecret>;
export const CreateApiToken = z.strictObject({
  name: Name,
  client_id: z.string().min(1).max(255).optional().describe('Default: for the caller itself'),
  scopes: z.array(GrantableScope).min(1).max(200).describe('A part of what the holder and the caller have'),
  expires_at: Timestamp.nullable().default(null),
});
export const ListApiTokens = z.strictObject({ ...pageQuery, client_id: z.string().max(255).optional() });
export const ApiTokenPage = pageOf(ApiToken);
/** What a gateway saw of them since it last said so. */
export const ApiTokenUse = z.strictObject({ ids: z.array(Id).min(1).max(10_000) });
