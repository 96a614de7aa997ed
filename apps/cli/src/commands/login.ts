/**
 * Signs in on this machine. A password makes a session of a moment, which makes an API token that ends by itself: unlike a refresh
 * token it can be used by many commands at once.
 */
import { hostname } from 'node:os';
import { createClient } from '#client/client';
import { UsageError, exitCodes } from '../exit-code.js';
import type { ExitCode } from '../exit-code.js';
import type { Io } from '../output.js';
import { ask, askSecret, readAll } from '../prompt.js';
import { forgetSignIn, keepSignIn, readSignIn, urlOf } from '../settings.js';
import type { CliSettings, SignIn } from '../settings.js';

export interface LoginOptions {
  readonly url?: string | undefined;
  readonly login?: string | undefined;
  readonly days: string;
  readonly 'token-stdin'?: boolean | undefined;
  readonly 'password-stdin'?: boolean | undefined;
}

const dayMs = 86_400_000;
const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export async function login(settings: CliSettings, options: LoginOptions, io: Io): Promise<ExitCode> {
  const url = urlOf(settings, options.url);
  const { protocol, hostname: host } = new URL(url);
  if (protocol === 'http:' && !loopback.test(host))
    io.stderr('This address is not encrypted: whoever listens can read what you send.\n');
  const signIn = options['token-stdin'] ? { url, token: await readAll() } : await byPassword(url, options);
  const me = await createClient({ baseUrl: url, token: () => signIn.token }).sessions.me();
  keepSignIn(settings, signIn);
  io.stderr(`Signed in at ${url} as ${me.subject}.\n`);
  return exitCodes.ok;
}

async function byPassword(url: string, options: LoginOptions): Promise<SignIn> {
  const days = Number(options.days);
  if (!(days > 0 && days <= 366)) throw new UsageError('--days must be above 0 and at most 366');
  const name = options.login ?? (await ask('Login: '));
  const password = options['password-stdin'] ? await readAll() : await askSecret('Password: ');
  const open = createClient({ baseUrl: url });
  const { access_token: access } = await open.sessions.begin({ body: { login: name, password } });
  const client = createClient({ baseUrl: url, token: () => access });
  const { scopes } = await client.sessions.me();
  const made = await client.apiTokens.create({
    body: {
      name: `sluice on ${hostname()}`,
      scopes,
      expires_at: new Date(Date.now() + days * dayMs).toISOString(),
    },
  });
  await client.sessions.end();
  return { url, token: made.token, api_token_id: made.id };
}

/** Forgets the token, after making it good for nothing where that is possible. */
export async function logout(settings: CliSettings, io: Io): Promise<ExitCode> {
  const kept = readSignIn(settings);
  forgetSignIn(settings);
  if (!kept) {
    io.stderr('Nobody is signed in on this machine.\n');
    return exitCodes.ok;
  }
  const { url, token, api_token_id: id } = kept;
  if (id !== undefined)
    await createClient({ baseUrl: url, token: () => token }).apiTokens.revoke({
      params: { api_token_id: id },
    });
  io.stderr(`Signed out at ${url}.\n`);
  return exitCodes.ok;
}
