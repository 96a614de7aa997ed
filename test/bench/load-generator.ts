/**
 * A closed-loop HTTP/1.1 load generator that costs little: raw sockets, one prepared request, answers framed by
 * Content-Length. Runs as its own process: `node load-generator.js <json options>`, prints one JSON line of results.
 * It counts only 200s and ends at once on anything else, so that a number can never come from errors.
 */
import { once } from 'node:events';
import { openConnection, prepare, quantile } from './http-wire.js';
import { LoadOptions } from './load.js';
import type { LoadResult } from './load.js';

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

async function run(options: LoadOptions): Promise<LoadResult> {
  const request = prepare(options);
  const measureFromMs = performance.now() + options.warmupMs;
  const endMs = measureFromMs + options.durationMs;
  const tookMs: number[] = [];
  const onAnswer = (ms: number): boolean => {
    const nowMs = performance.now();
    if (nowMs >= measureFromMs && nowMs < endMs) tookMs.push(ms);
    return nowMs < endMs;
  };
  await Promise.all(
    Array.from({ length: options.connections }, () => runConnection(options, request, onAnswer)),
  );
  const sorted = tookMs.sort((a, b) => a - b);
  return {
    requests: sorted.length,
    seconds: options.durationMs / 1_000,
    p50Ms: quantile(sorted, 0.5),
    p95Ms: quantile(sorted, 0.95),
    p99Ms: quantile(sorted, 0.99),
  };
}

process.stdout.write(`${JSON.stringify(await run(LoadOptions.parse(JSON.parse(process.argv[2] ?? ''))))}\n`);
