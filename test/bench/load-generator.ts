/**
 * A closed-loop HTTP/1.1 load generator that costs little: raw sockets, one prepared request, answers framed by
 * Content-Length. Runs as its own process: `node load-generator.js <json options>`, prints one JSON line of results.
 * It counts only 200s and ends at once on anything else, so that a number can never come from errors.
 */
import { once } from 'node:events';
import { openConnection, prepare } from './http-wire.js';
import { LoadOptions } from './load.js';
import type { LoadResult } from './load.js';
import { latencies } from './quantiles.js';

async function runConnection(
  options: LoadOptions,
  request: Buffer,
  onAnswer: (tookMs: number) => boolean,
): Promise<void> {
  let sentAtMs = 0;
  const socket = openConnection(options, () => {
    if (onAnswer(performance.now() - sentAtMs)) send();
    else socket.destroy();
  });
  const send = (): void => {
    sentAtMs = performance.now();
    socket.write(request);
  };
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  send();
  await closed;
}

/** Measures for `durationMs`, or for as long as it takes until each connection has been answered often enough. */
async function run(options: LoadOptions): Promise<LoadResult> {
  const { connections, durationMs, warmupMs, leastPerConnection = 1 } = options;
  const leastAnswers = connections * leastPerConnection;
  const request = prepare(options);
  const measureFromMs = performance.now() + warmupMs;
  const tookMs: number[] = [];
  let answered = 0;
  let endMs = measureFromMs + durationMs;
  const onAnswer = (ms: number): boolean => {
    const nowMs = performance.now();
    answered += 1;
    if (nowMs >= endMs && tookMs.length >= leastAnswers) return false;
    if (nowMs >= measureFromMs) tookMs.push(ms);
    endMs = Math.max(endMs, nowMs);
    return true;
  };
  await Promise.all(Array.from({ length: connections }, () => runConnection(options, request, onAnswer)));
  return {
    answered,
    requests: tookMs.length,
    seconds: (endMs - measureFromMs) / 1_000,
    ...latencies(tookMs),
  };
}

process.stdout.write(`${JSON.stringify(await run(LoadOptions.parse(JSON.parse(process.argv[2] ?? ''))))}\n`);
