import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivateJson } from './data-folder.js';
import type { PartStatus } from './supervise/part.js';

/** What a script needs to talk to the platform that runs on a data folder. The file exists while that is ready. */
export interface Connection {
  readonly gateway_url: string;
  readonly registry_url: string;
  readonly client_id: string;
  readonly client_secret: string;
  readonly pids: Readonly<Record<string, number>>;
}

const connectionPath = (dataFolder: string): string => join(dataFolder, 'connection.json');

export const forgetConnection = (dataFolder: string): void =>
  rmSync(connectionPath(dataFolder), { force: true });

export function writeConnection(
  dataFolder: string,
  connection: Omit<Connection, 'pids'>,
  parts: readonly PartStatus[],
): void {
  const children = parts.flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid] as const]));
  const pids = { standalone: process.pid, ...Object.fromEntries(children) };
  writePrivateJson(connectionPath(dataFolder), { ...connection, pids } satisfies Connection);
}
