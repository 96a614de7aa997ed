/** People: who they are, what they may do, and how they sign in with a password. */
import { z } from 'zod';
import { TokenResponse } from './clients.js';
import { Id, Name, Timestamp, pageOf, pageQuery } from './common.js';
import { RoleGrants } from './roles.js';

/** Also what tokens carry, so it never changes. */
export const Login = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._+@-]{2,127}$/, 'must be 3 to 128 of a-z, 0-9, ".", "_", "+", "@" and "-"')
  .describe('What the person signs in with; an e-mail address will do');

/** NIST SP 800-63B §5.1.1: long rather than complex. */
const NewPassword = z.string().min(12, 'must have at least 12 characters').max(1_024);
/** As someone types it in; whether it is right is not a question of form. */
const Password = z.string().max(1_024);

export const PersonParams = z.object({ login: Login });
export const Person = z
  .object({
    id: Id,
    login: Login,
    name: Name,
    roles: RoleGrants,
    has_password: z.boolean(),
    provider: z.string().nullable().describe('The sign-in provider that vouches for the person'),
    disabled_at: Timestamp.nullable(),
    last_sign_in_at: Timestamp.nullable(),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Person' });
export type Person = z.infer<typeof Person>;
export const CreatePerson = z.strictObject({
  login: Login,
  name: Name.optional().describe('Default: the login'),
  password: NewPassword.optional().describe('Without one the person signs in by a provider only'),
  roles: RoleGrants.default([]),
});
export const UpdatePerson = z.strictObject({
  name: Name.optional(),
  roles: RoleGrants.optional(),
  password: NewPassword.optional().describe('Ends the sessions of the person'),
});
export const ListPeople = z.strictObject({ ...pageQuery });
export const PersonPage = pageOf(Person);

export const SignIn = z.strictObject({ login: z.string().max(255), password: Password });
export const ChangePassword = z.strictObject({ old_password: Password, new_password: NewPassword });

/** An access token, and the refresh token that gets the next pair. */
export const SessionTokens = TokenResponse.extend({
  refresh_token: z.string().describe('Good for one use'),
  session_expires_at: Timestamp.describe('From then on the person must sign in again'),
}).meta({ id: 'SessionTokens' });
export type SessionTokens = z.infer<typeof SessionTokens>;

/** Who the caller is. */
export const Me = z
  .object({
    subject: z.string().describe('`person:<login>`, `client:<client_id>`, …'),
    scopes: z.array(z.string()),
    person: Person.nullable(),
  })
  .meta({ id: 'Me' });
export type Me = z.infer<typeof Me>;
