/**
 * An upstream that costs as little as a Node process can: raw sockets, one prepared answer. Listens on two ports, one for each
 * version of the split. Takes only requests framed by Content-Length, and ends at once on anything else.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

const body = JSON.stringify({
  model_name: 'iris',
  model_version: '1',
  outputs: [{ name: 'y', shape: [1, 3], datatype: 'FP32', data: [0.1, 0.2, 0.7] }],
});
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
);
const empty = Buffer.alloc(0);

/** Bytes of the whole request that `bytes` begin; 0 when its head has not all arrived. */
function requestLength(bytes: Buffer): number {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return 0;
  const head = bytes.toString('latin1', 0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`a request without Content-Length: ${head}`);
  return headEnd + 4 + Number(length);
}

function serve(socket: Socket): void {
  let waiting: Buffer = empty;
  let missing = 0;
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    if (missing > 0) missing -= chunk.length;
    else {
      waiting = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk]);
      const length = requestLength(waiting);
      if (length === 0) return;
      missing = length - waiting.length;
      waiting = empty;
    }
    if (missing < 0) throw new Error('more bytes than the request should have');
    if (missing === 0) socket.write(answer);
  });
}

const listen = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer(serve).listen(0, '127.0.0.1', () =>
      resolve((server.address() as AddressInfo).port),
    );
  });

process.send?.({ ports: [await listen(), await listen()] });
process.on('disconnect', () => process.exit(0));
