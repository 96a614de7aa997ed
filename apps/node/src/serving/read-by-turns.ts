/** Reading a socket that may bring many megabytes at once, without keeping everybody else waiting. */
import type { Duplex } from 'node:stream';

/** What is read before the event loop looks at the other sockets; libuv by itself reads twice as much of one. */
const turnBytes = 1_048_576;

/** Calls `onChunk` with all that comes; after each turn whoever else has something to do comes first. */
export function readByTurns(socket: Duplex, onChunk: (chunk: Buffer) => void): void {
  let bytes = 0;
  const goOn = (): void => {
    bytes = 0;
    socket.resume();
  };
  socket.on('data', (chunk: Buffer) => {
    onChunk(chunk);
    bytes += chunk.length;
    if (bytes < turnBytes || socket.isPaused()) return;
    socket.pause();
    setImmediate(goOn);
  });
}
