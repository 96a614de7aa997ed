/** Where the registry is and by which credential: flags go before the environment, that goes before what `sluice login` has kept. */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { clientCredentials } from '#client/credentials';
import type { ClientOptions } from '#client/client';
import { loadEnv } from '#platform/env';
import { z } from 'zod';
import { UsageError } from './exit-code.js';

const Url = z.url({ protocol: /^https?$/, error: 'must be http://… or https://…' });

export const CliSettings = z.object({
  SLUICE_URL: Url.optional(),
  SLUICE_TOKEN: z.string().optional(),
  SLUICE_CLIENT_ID: z.string().optional(),
  SLUICE_CLIENT_SECRET: z.string().optional(),
  SLUICE_CONFIG: z.string().optional(),
  XDG_CONFIG_HOME: z.string().optional(),
  NO_COLOR: z.string().optional(),
});
export type CliSettings = z.infer<typeof CliSettings>;

export const loadCliSettings = (): CliSettings => loadEnv(CliSettings);

/** What `sluice login` keeps. */
const SignIn = z.object({ url: Url, token: z.string(), api_token_id: z.string().optional() });
export type SignIn = z.infer<typeof SignIn>;

export const configPath = (settings: CliSettings): string =>
  settings.SLUICE_CONFIG ??
  join(settings.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'sluice', 'config.json');

export function readSignIn(settings: CliSettings): SignIn | undefined {
  const path = configPath(settings);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, 'code') === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return SignIn.parse(JSON.parse(text));
  } catch (cause) {
    throw new UsageError(`${path} is damaged. Sign in again: sluice login`, { cause });
  }
}

/** For its owner only, and whole or not at all. */
export function keepSignIn(settings: CliSettings, signIn: SignIn): void {
  const path = configPath(settings);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(signIn, null, 2)}\n`, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, path);
}

export const forgetSignIn = (settings: CliSettings): void => rmSync(configPath(settings), { force: true });

const defaultUrl = 'http://127.0.0.1:8080';

export function urlOf(settings: CliSettings, flag: string | undefined): string {
  if (flag !== undefined && !Url.safeParse(flag).success)
    throw new UsageError('--url must be http://… or https://…');
  return flag ?? settings.SLUICE_URL ?? readSignIn(settings)?.url ?? defaultUrl;
}

/** @throws UsageError when there is no credential for this address */
export function connectionOf(settings: CliSettings, flag: string | undefined): ClientOptions {
  const baseUrl = urlOf(settings, flag);
  const { SLUICE_TOKEN: token, SLUICE_CLIENT_ID: clientId, SLUICE_CLIENT_SECRET: clientSecret } = settings;
  if (token !== undefined) return { baseUrl, token: () => token };
  if (clientId !== undefined && clientSecret !== undefined)
    return { baseUrl, token: clientCredentials({ baseUrl, clientId, clientSecret }) };
  const kept = readSignIn(settings);
  // A token is shown to nobody but whom it is for.
  if (kept && new URL(kept.url).origin === new URL(baseUrl).origin)
    return { baseUrl, token: () => kept.token };
  throw new UsageError(
    `There is no credential for ${baseUrl}. Sign in with "sluice login --url ${baseUrl}", or set SLUICE_TOKEN, or SLUICE_CLIENT_ID and SLUICE_CLIENT_SECRET.`,
  );
}
