/** HTTP/1.1 on raw sockets, as far as the load generators need it: one prepared request, answers framed by Content-Length. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Target } from './load.js';

export function prepare({ method = 'POST', host, port, path, headers, body }: Target): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : readFileSync(body.file);
  const all = { host: `${host}:${port}`, ...headers, 'content-length': String(bytes.length) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`), bytes]);
}

/** Length of the whole answer that `bytes` begin, or 0 when its head has not all arrived. Throws on anything but a framed 200. */
function answerLength(bytes: Buffer): number {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return 0;
  const head = bytes.toString('latin1', 0, headEnd);
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(`not a 200: ${bytes.toString('utf8').slice(0, 400)}`);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without Content-Length: ${head}`);
  return headEnd + 4 + Number(length);
}

/** Calls `onAnswer` when an answer is complete. One request at a time; no pipelining. */
export function openConnection(
  { host, port }: Pick<Target, 'host' | 'port'>,
  onAnswer: (socket: Socket) => void,
): Socket {
  const socket = connect(port, host);
  let head: Buffer = Buffer.alloc(0);
  let missing = 0;
  socket.setNoDelay(true);
  socket.on('end', () => {
    throw new Error('the server closed the connection');
  });
  socket.on('data', (chunk) => {
    if (missing > 0) missing -= chunk.length;
    else {
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const length = answerLength(head);
      if (length === 0) return;
      missing = length - head.length;
      head = Buffer.alloc(0);
    }
    if (missing < 0) throw new Error('more bytes than the answer should have');
    if (missing === 0) onAnswer(socket);
  });
  return socket;
}
