/**
 * TLS of the public side: the certificate and its key, read from files and read again when they change. Connections that stand
 * keep what they shook hands with. Knows nothing of HTTP; whoever listens asks for the options and has its server followed.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { SecureVersion, Server, TlsOptions } from 'node:tls';
import { messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { StartError } from '#platform/start';

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
  readonly digest: string;
}

/** Files are looked at and not watched: a mounted secret changes by the swap of a link, which no watcher of the file sees. */
export const reloadEveryMs = 1_000;

async function readPair({ certFile, keyFile }: PublicTlsSettings): Promise<KeyPair> {
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  return { cert, key, digest: createHash('sha256').update(cert).update(key).digest('base64') };
}

export class PublicTls {
  private timer: NodeJS.Timeout | undefined;
  private refused = '';
  private readonly servers = new Set<Server>();

  private constructor(
    private readonly settings: PublicTlsSettings,
    private pair: KeyPair,
    private readonly logger: Logger,
  ) {}

  /** @throws StartError when the files are not there or do not belong together */
  static async open(settings: PublicTlsSettings, logger: Logger): Promise<PublicTls> {
    try {
      const tls = new PublicTls(settings, await readPair(settings), logger);
      createSecureContext(tls.options);
      tls.timer = setInterval(() => void tls.reload(), reloadEveryMs).unref();
      return tls;
    } catch (error) {
      throw new StartError(`The certificate of the public address cannot be used: ${messageOf(error)}`);
    }
  }

  /** For `tls.createServer`. HTTP/1.1 is all that is spoken here, and ALPN says so (RFC 7301 §3.2). */
  get options(): TlsOptions {
    const { cert, key } = this.pair;
    return { cert, key, minVersion: this.settings.minVersion, ALPNProtocols: ['http/1.1'] };
  }

  /** The server gets each new certificate from now on. */
  follow(server: Server): void {
    this.servers.add(server);
    server.once('close', () => this.servers.delete(server));
  }

  close(): void {
    clearInterval(this.timer);
  }

  /** Takes up a new pair. One that cannot be used, such as a certificate whose key is still to come, changes nothing. */
  private async reload(): Promise<void> {
    try {
      const pair = await readPair(this.settings);
      if (pair.digest === this.pair.digest) return;
      createSecureContext({ cert: pair.cert, key: pair.key });
      this.pair = pair;
      this.refused = '';
      for (const server of this.servers) server.setSecureContext(this.options);
      this.logger.info({ file: this.settings.certFile }, 'the new certificate is in use');
    } catch (error) {
      const reason = messageOf(error);
      if (reason === this.refused) return;
      this.refused = reason;
      this.logger.warn({ reason }, 'the changed certificate cannot be used; the last good one stays');
    }
  }
}
