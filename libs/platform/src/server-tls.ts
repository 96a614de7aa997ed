/**
 * TLS of a listening side: the certificate, its key and perhaps the CA of those who call, read from files and read again when
 * they change. Connections that stand keep what they shook hands with. Knows nothing of HTTP; whoever listens asks for the
 * options and has its server followed.
 */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Server, TlsOptions } from 'node:tls';
import { messageOf } from './errors.js';
import { FollowedFiles } from './followed-files.js';
import type { Logger } from './logger.js';
import { StartError } from './start.js';

export interface ServerTlsSettings {
  /** Whose certificate it is, for messages. */
  readonly what: string;
  /** PEM, with the intermediate certificates behind it. */
  readonly certFile: string;
  /** PEM. */
  readonly keyFile: string;
  /** PEM. Callers must show a certificate that one of these signed; undefined: none is asked for. */
  readonly clientCaFile?: string | undefined;
  /** What does not come from files. */
  readonly fixed?: Pick<TlsOptions, 'minVersion' | 'ALPNProtocols'>;
}

type Pems = Pick<TlsOptions, 'cert' | 'key' | 'ca'>;

async function readPems({ certFile, keyFile, clientCaFile }: ServerTlsSettings): Promise<Pems> {
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  return clientCaFile === undefined ? { cert, key } : { cert, key, ca: await readFile(clientCaFile) };
}

export class ServerTls {
  private constructor(
    private readonly settings: ServerTlsSettings,
    private readonly files: FollowedFiles<Pems>,
    private readonly servers: Set<Server>,
  ) {}

  /** @throws StartError when the files are not there or do not belong together */
  static async open(settings: ServerTlsSettings, logger: Logger): Promise<ServerTls> {
    const servers = new Set<Server>();
    const { what } = settings;
    const options = {
      what,
      read: () => readPems(settings),
      check: (pems: Pems) => void createSecureContext(pems),
      onChange: (pems: Pems) => {
        for (const server of servers) server.setSecureContext(tlsOptions(settings, pems));
      },
    };
    try {
      return new ServerTls(settings, await FollowedFiles.open(options, logger), servers);
    } catch (error) {
      throw new StartError(`The certificate of ${what} cannot be used: ${messageOf(error)}`);
    }
  }

  /** For `tls.createServer`. */
  get options(): TlsOptions {
    return tlsOptions(this.settings, this.files.current);
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

const tlsOptions = ({ fixed, clientCaFile }: ServerTlsSettings, pems: Pems): TlsOptions => ({
  ...fixed,
  ...pems,
  ...(clientCaFile === undefined ? {} : { requestCert: true, rejectUnauthorized: true }),
});
