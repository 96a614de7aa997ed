/** Whom the gateway trusts as a node, and the certificate that it shows to nodes. Read once: a change needs a restart. */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { ConfigError } from '#platform/env';
import type { GatewaySettings } from './config.js';
import type { NodeTls } from './data-plane/upstreams.js';

/** @throws ConfigError that names the setting whose file cannot be used */
export async function readNodeTls(settings: GatewaySettings): Promise<NodeTls> {
  const {
    SLUICE_GATEWAY_NODE_CA: caFile,
    SLUICE_GATEWAY_NODE_CERT: certFile,
    SLUICE_GATEWAY_NODE_KEY: keyFile,
  } = settings;
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new ConfigError(
      'SLUICE_GATEWAY_NODE_CERT and SLUICE_GATEWAY_NODE_KEY go together: set both or none.',
    );
  const tls = {
    ca: await readText('SLUICE_GATEWAY_NODE_CA', caFile),
    cert: await readText('SLUICE_GATEWAY_NODE_CERT', certFile),
    key: await readText('SLUICE_GATEWAY_NODE_KEY', keyFile),
  };
  try {
    createSecureContext(tls);
  } catch (error) {
    throw new ConfigError(
      `SLUICE_GATEWAY_NODE_CA, _CERT and _KEY do not hold usable certificates: ${String(error)}.`,
    );
  }
  return tls;
}

async function readText(setting: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new ConfigError(`${setting} names a file that cannot be read: ${String(error)}.`);
  });
}
