/** Ends a server without waiting for connections on which nothing is under way. */
import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';

const sweepMs = 20;
/** For a request that is on its way to have its head here. */
const silenceMs = 1_000;
/** For callers to take their answers. */
const slowReaderMs = 20_000;

/** Made before the server listens. */
export class OrderlyClose {
  /** Connections that have never asked for anything: to Node they are not idle. */
  private readonly silent = new Set<Socket>();

  constructor(private readonly server: Server) {
    server.on(server instanceof HttpsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.silent.add(socket);
      socket.once('close', () => this.silent.delete(socket));
    });
    server.on('request', ({ socket }: IncomingMessage) => this.silent.delete(socket));
  }

  /** Takes no new connection, and ends each one that there is when it has its answer. @param answered when no model is asked any more */
  async close(answered: () => Promise<void>): Promise<void> {
    const { server } = this;
    const closed = once(server, 'close');
    server.close();
    // A request that came before the end began may leave its connection open when it is answered.
    const sweeping = setInterval(() => server.closeIdleConnections(), sweepMs);
    const silencing = setTimeout(() => {
      for (const socket of this.silent) socket.destroy();
    }, silenceMs);
    await answered();
    const cutting = setTimeout(() => server.closeAllConnections(), slowReaderMs);
    await closed;
    clearInterval(sweeping);
    clearTimeout(silencing);
    clearTimeout(cutting);
  }
}
