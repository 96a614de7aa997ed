/** The bound that a gateway on node:http and undici has: reads the body, forwards it, passes the answer on. `node undici-server.js <upstream port>` */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`, { connections: 512, pipelining: 1 });
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const [only] = chunks;
    pool.dispatch(
      {
        path: request.url ?? '/',
        method: 'POST',
        headers: ['content-type', request.headers['content-type'] ?? ''],
        body: chunks.length === 1 && only ? only : Buffer.concat(chunks),
      },
      {
        onRequestStart: () => undefined,
        onResponseStart(_, status, headers) {
          for (const name of ['content-type', 'content-length'])
            response.setHeader(name, headers[name] ?? '');
          response.writeHead(status);
        },
        onResponseData: (_, chunk) => void response.write(chunk),
        onResponseEnd: () => void response.end(),
        onResponseError(_, error) {
          throw error;
        },
      },
    );
  });
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));
