import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { readJson, writePrivateJson } from './data-folder.js';
import { StartError } from '#platform/start';

/** What is generated on the first start of a data folder and kept in its secrets.json (mode 0600). */
const Secrets = z.object({
  postgres_password: z.string().min(1),
  node_join_token: z.string().min(16),
  gateway_join_token: z.string().min(16),
  master_key: z.string().min(32),
  admin_client_id: z.string().min(1),
  admin_client_secret: z.string().min(16),
  /** Of the person "admin", who signs in at the console. */
  admin_password: z.string().min(12),
  /** The credential goes to the terminal one time only. */
  admin_shown: z.boolean(),
});
export type Secrets = z.infer<typeof Secrets>;

export const secretsPath = (dataFolder: string): string => join(dataFolder, 'secrets.json');
const randomSecret = (): string => randomBytes(24).toString('base64url');

function generate(): Secrets {
  return {
    postgres_password: randomSecret(),
    node_join_token: randomSecret(),
    gateway_join_token: randomSecret(),
    master_key: randomSecret(),
    admin_client_id: 'admin',
    admin_client_secret: randomSecret(),
    admin_password: randomSecret(),
    admin_shown: false,
  };
}

/** The secrets of this data folder, generated when it has none yet. */
export function loadSecrets(dataFolder: string): Secrets {
  const path = secretsPath(dataFolder);
  const stored = readJson(path);
  if (stored === undefined) {
    const fresh = generate();
    writePrivateJson(path, fresh);
    return fresh;
  }
  const parsed = Secrets.safeParse(withNewer(stored));
  if (!parsed.success)
    throw new StartError(`${path} is damaged: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`);
  if (!isDeepStrictEqual(stored, parsed.data)) writePrivateJson(path, parsed.data);
  return parsed.data;
}

/** A folder from before there were some of the secrets gets them. */
const withNewer = (stored: unknown): unknown =>
  typeof stored === 'object'
    ? { master_key: randomSecret(), admin_password: randomSecret(), ...stored }
    : stored;

/** Remembers that the admin credential has been shown. */
export function rememberShown(dataFolder: string): void {
  writePrivateJson(secretsPath(dataFolder), { ...loadSecrets(dataFolder), admin_shown: true });
}
