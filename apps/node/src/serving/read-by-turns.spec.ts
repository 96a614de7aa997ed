import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { readByTurns } from './read-by-turns.js';

const megabyte = 1_048_576;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('reads all that comes, in order, and lets others come first after each megabyte', async () => {
  const socket = new PassThrough({ highWaterMark: 16 * megabyte });
  const seen: number[] = [];
  const perTurn: number[] = [];
  readByTurns(socket, (chunk) => seen.push(chunk[0] ?? -1));
  for (let index = 0; index < 16; index += 1) socket.write(Buffer.alloc(megabyte / 4, index));
  while (seen.length < 16) {
    const before = seen.length;
    await nextTurn();
    perTurn.push(seen.length - before);
  }
  expect(seen).toEqual(Array.from({ length: 16 }, (_, index) => index));
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(4);
});
