/** TLS of the node's front, for networks that are not trusted. Read once: a change of certificates needs a restart. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import { ConfigError } from '#platform/env';

export interface FrontTlsFiles {
  /** PEM, with the intermediate certificates behind it. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Callers must show a certificate that one of these signed; undefined: none is asked for. */
  readonly clientCaFile: string | undefined;
}

/** @throws ConfigError when the files cannot be read or do not belong together */
export function readFrontTls({ certFile, keyFile, clientCaFile }: FrontTlsFiles): TlsOptions {
  try {
    const pair = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
    const ca = clientCaFile === undefined ? {} : { ca: readFileSync(clientCaFile) };
    createSecureContext({ ...pair, ...ca });
    const asks = clientCaFile === undefined ? {} : { requestCert: true, rejectUnauthorized: true };
    return { ...pair, ...ca, ...asks };
  } catch (error) {
    throw new ConfigError(`SLUICE_NODE_TLS_CERT, _KEY and _CLIENT_CA cannot be used: ${String(error)}.`);
  }
}
