/** The thread in which large answers are compared. */
import { parentPort } from 'node:worker_threads';
import type { Answer } from '#comparison/answer';
import { compareAnswers } from '#comparison/compare';
import type { Pair } from './comparer.js';

/** Between threads a Buffer becomes plain bytes. */
const answerOf = ({ body, headerLength }: Answer): Answer => ({
  body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
  headerLength,
});

parentPort?.on('message', ({ one, other, protocol }: Pair) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, and no window
  parentPort?.postMessage(compareAnswers(answerOf(one), answerOf(other), protocol));
});
