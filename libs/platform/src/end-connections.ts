/**
 * Ends connections when a server closes. Node waits for every one that is open: for one on which no request ever came, and
 * for one that falls idle only while closing, it would wait as long as keep-alive lasts.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';

const lookEveryMs = 200;

/** Made before the server listens. @returns what to call when it closes: from then on, a connection is cut when no request is under way on it */
export function endConnections(server: Server): () => void {
  // By connection: of an answer that waits behind another, Node does not say when its caller has gone.
  const underWay = new Map<Socket, number>();
  const count = (socket: Socket, more: number): void => {
    const requests = underWay.get(socket);
    if (requests !== undefined) underWay.set(socket, requests + more);
  };
  server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
    underWay.set(socket, 0);
    socket.once('close', () => underWay.delete(socket));
  });
  server.on('request', ({ socket }: IncomingMessage, res: ServerResponse) => {
    count(socket, 1);
    res.once('close', () => count(socket, -1));
  });
  return () => {
    const timer = setInterval(() => {
      for (const [socket, requests] of underWay) if (requests === 0) socket.destroy();
    }, lookEveryMs);
    // A server that never listened does not close.
    timer.unref();
    server.once('close', () => clearInterval(timer));
  };
}
