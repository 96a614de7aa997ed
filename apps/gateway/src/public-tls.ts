/**
 * TLS of the public side: the certificate and its key, read from files and read again when they change. Connections that stand
 * keep what they shook hands with. Knows nothing of HTTP; whoever listens asks for the options and has its server followed.
 */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { SecureVersion, Server, TlsOptions } from 'node:tls';
import { messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { StartError } from '#platform/start';
import { FollowedFiles } from './followed-files.js';

export interface PublicTlsSettings {
  /** PEM, with the intermediate certificates behind it. */
  readonly certFile: string;
  /** PEM. */
  readonly keyFile: string;
  readonly minVersion: SecureVersion;
}

interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

async function readPair({ certFile, keyFile }: PublicTlsSettings): Promise<KeyPair> {
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  return { cert, key };
}

export class PublicTls {
  private constructor(
    private readonly minVersion: SecureVersion,
    private readonly files: FollowedFiles<KeyPair>,
    private readonly servers: Set<Server>,
  ) {}

  /** @throws StartError when the files are not there or do not belong together */
  static async open(settings: PublicTlsSettings, logger: Logger): Promise<PublicTls> {
    const servers = new Set<Server>();
    const { minVersion } = settings;
    const options = {
      what: 'public address',
      read: () => readPair(settings),
      check: (pair: KeyPair) => void createSecureContext({ ...pair }),
      onChange: (pair: KeyPair) => {
        for (const server of servers) server.setSecureContext(tlsOptions(pair, minVersion));
      },
    };
    try {
      return new PublicTls(minVersion, await FollowedFiles.open(options, logger), servers);
    } catch (error) {
      throw new StartError(`The certificate of the public address cannot be used: ${messageOf(error)}`);
    }
  }

  /** For `tls.createServer`. */
  get options(): TlsOptions {
    return tlsOptions(this.files.current, this.minVersion);
  }

  /** The server gets each new certificate from now on. */
  follow(server: Server): void {
    this.servers.add(server);
    server.once('close', () => this.servers.delete(server));
  }

  close(): void {
    this.files.close();
  }
}

/** HTTP/1.1 is all that is spoken here, and ALPN says so (RFC 7301 §3.2). */
const tlsOptions = ({ cert, key }: KeyPair, minVersion: SecureVersion): TlsOptions => ({
  cert,
  key,
  minVersion,
  ALPNProtocols: ['http/1.1'],
});
