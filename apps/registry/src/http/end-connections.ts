/**
 * Ends connections when the server closes. Node waits for every one that is open: for one on which no request ever came,
 * and for one that falls idle only while closing, it would wait as long as keep-alive lasts.
 */
import type { FastifyInstance } from 'fastify';

const lookEveryMs = 200;

/** Once closing, all connections are cut as soon as no request is in flight on any of them. */
export function endConnectionsOnClose(fastify: FastifyInstance): void {
  let inFlight = 0;
  fastify.addHook('onRequest', (_, reply, done) => {
    inFlight += 1;
    reply.raw.once('close', () => {
      inFlight -= 1;
    });
    done();
  });
  fastify.addHook('preClose', (done) => {
    const timer = setInterval(() => {
      if (inFlight === 0) fastify.server.closeAllConnections();
    }, lookEveryMs);
    // A server that never listened does not close.
    timer.unref();
    fastify.server.once('close', () => clearInterval(timer));
    done();
  });
}
