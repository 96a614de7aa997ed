/**
 * Whom the gateway trusts as a node, and the certificate that it shows to nodes. Read again when the files change: connections that
 * are opened from then on use them, those that stand keep what they shook hands with.
 */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { ConfigError } from '#platform/env';
import { FollowedFiles } from '#platform/followed-files';
import type { Logger } from '#platform/logger';
import type { GatewaySettings } from './config.js';
import type { NodeTls } from './data-plane/node-connector.js';

type NodeTlsSettings = Pick<
  GatewaySettings,
  'SLUICE_GATEWAY_NODE_CA' | 'SLUICE_GATEWAY_NODE_CERT' | 'SLUICE_GATEWAY_NODE_KEY'
>;

/** @throws ConfigError that names the setting whose file cannot be used */
export async function followNodeTls(
  settings: NodeTlsSettings,
  logger: Logger,
): Promise<FollowedFiles<NodeTls>> {
  const { SLUICE_GATEWAY_NODE_CERT: certFile, SLUICE_GATEWAY_NODE_KEY: keyFile } = settings;
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new ConfigError(
      'SLUICE_GATEWAY_NODE_CERT and SLUICE_GATEWAY_NODE_KEY go together: set both or none.',
    );
  const options = {
    what: 'nodes',
    read: () => readNodeTls(settings),
    check: checkUsable,
    onChange: () => undefined,
  };
  return FollowedFiles.open(options, logger);
}

async function readNodeTls(settings: NodeTlsSettings): Promise<NodeTls> {
  return {
    ca: await readText('SLUICE_GATEWAY_NODE_CA', settings.SLUICE_GATEWAY_NODE_CA),
    cert: await readText('SLUICE_GATEWAY_NODE_CERT', settings.SLUICE_GATEWAY_NODE_CERT),
    key: await readText('SLUICE_GATEWAY_NODE_KEY', settings.SLUICE_GATEWAY_NODE_KEY),
  };
}

function checkUsable(tls: NodeTls): void {
  try {
    createSecureContext(tls);
  } catch (error) {
    throw new ConfigError(
      `SLUICE_GATEWAY_NODE_CA, _CERT and _KEY do not hold usable certificates: ${String(error)}.`,
    );
  }
}

async function readText(setting: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new ConfigError(`${setting} names a file that cannot be read: ${String(error)}.`);
  });
}
