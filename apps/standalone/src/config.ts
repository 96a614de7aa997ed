/** The settings of `npm start`: flags, else environment, else defaults. */
import { parseArgs } from 'node:util';
import { inheritedEnv, loadEnv, portSetting, secretSetting } from '#platform/env';
import { messageOf } from '#platform/errors';
import { z } from 'zod';
import { StartError } from '#platform/start';

export const StandaloneSettings = z.object({
  SLUICE_DATA_DIR: z.string().min(1).default('./data'),
  SLUICE_GATEWAY_HOST: z.string().min(1).default('127.0.0.1'),
  SLUICE_GATEWAY_PORT: portSetting.default(8080),
  SLUICE_REGISTRY_PORT: portSetting.default(8081),
  SLUICE_NODES: z.coerce.number().int().min(1, 'must be at least 1').max(16, 'must be at most 16').default(1),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'must be postgres://user:password@host:port/name' })
    .optional(),
  SLUICE_ADMIN_CLIENT_ID: z.string().min(3).max(128).optional(),
  SLUICE_ADMIN_CLIENT_SECRET: secretSetting.optional(),
});

export interface StandaloneConfig {
  readonly dataDir: string;
  readonly gatewayHost: string;
  readonly gatewayPort: number;
  readonly registryPort: number;
  readonly nodes: number;
  /** A PostgreSQL of the user's own, used in place of the embedded one. */
  readonly databaseUrl: string | undefined;
  /** Taken in place of the generated admin credential. */
  readonly admin: { readonly id: string | undefined; readonly secret: string | undefined };
  /** Predict once, print, stop. */
  readonly once: boolean;
}

/** Flags that stand for a variable. */
const variableOf = {
  'data-dir': 'SLUICE_DATA_DIR',
  'gateway-port': 'SLUICE_GATEWAY_PORT',
  'registry-port': 'SLUICE_REGISTRY_PORT',
  nodes: 'SLUICE_NODES',
} as const;

export const usage = `Usage: npm start -- [--once] [--data-dir <folder>] [--gateway-port <port>] [--registry-port <port>] [--nodes <count>]

  --once           start, predict with both versions of the sample model, print, stop
  --data-dir       where everything is kept           (SLUICE_DATA_DIR, ./data)
  --gateway-port   the public address; 0 is any free  (SLUICE_GATEWAY_PORT, 8080)
  --registry-port  the registry; 0 is any free        (SLUICE_REGISTRY_PORT, 8081)
  --nodes          inference nodes to start           (SLUICE_NODES, 1)

DATABASE_URL takes a PostgreSQL of your own in place of the embedded one.`;

function readFlags(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        'data-dir': text,
        'gateway-port': text,
        'registry-port': text,
        nodes: text,
        once: flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    throw new StartError(`${messageOf(error)} See --help.`, { cause: error });
  }
}

/** @returns 'help' when that was asked for */
export function loadStandaloneConfig(args: readonly string[], env = inheritedEnv): StandaloneConfig | 'help' {
  const flags = readFlags(args);
  if (flags.help) return 'help';
  const given = Object.entries(variableOf).flatMap(([flag, variable]) => {
    const value = flags[flag as keyof typeof variableOf];
    return value === undefined ? [] : [[variable, value] as const];
  });
  const settings = loadEnv(StandaloneSettings, env(Object.fromEntries(given)));
  return {
    dataDir: settings.SLUICE_DATA_DIR,
    gatewayHost: settings.SLUICE_GATEWAY_HOST,
    gatewayPort: settings.SLUICE_GATEWAY_PORT,
    registryPort: settings.SLUICE_REGISTRY_PORT,
    nodes: settings.SLUICE_NODES,
    databaseUrl: settings.DATABASE_URL,
    admin: { id: settings.SLUICE_ADMIN_CLIENT_ID, secret: settings.SLUICE_ADMIN_CLIENT_SECRET },
    once: flags.once,
  };
}
