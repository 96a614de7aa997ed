/**
 * A closed-loop HTTP/1.1 load generator that costs little: raw sockets, one prepared request, answers framed by
 * Content-Length. Runs as its own process: `node load-generator.js <json options>`, prints one JSON line of results.
 * It counts only 200s and ends at once on anything else, so that a number can never come from errors.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { LoadOptions } from './load.js';
import type { LoadResult } from './load.js';

function prepare(options: LoadOptions): Buffer {
  const body = Buffer.from(options.body);
  const headers = {
    host: `${options.host}:${options.port}`,
    ...options.headers,
    'content-length': String(body.length),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return Buffer.concat([Buffer.from(`POST ${options.path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`), body]);
}

/** Length of the first whole answer in `bytes`, or 0 when it has not all arrived. Throws on anything but a framed 200. */
function answerLength(bytes: Buffer): number {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return 0;
  const head = bytes.toString('latin1', 0, headEnd);
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(`not a 200: ${bytes.toString('utf8').slice(0, 400)}`);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without Content-Length: ${head}`);
  const end = headEnd + 4 + Number(length);
  return bytes.length >= end ? end : 0;
}

function runConnection(
  socket: Socket,
  request: Buffer,
  onAnswer: (tookMs: number) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let pending: Buffer = Buffer.alloc(0);
    let sentAtMs = 0;
    const send = (): void => {
      sentAtMs = performance.now();
      socket.write(request);
    };
    socket.setNoDelay(true);
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.on('data', (chunk) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const length = answerLength(pending);
      if (length === 0) return;
      pending = pending.subarray(length);
      if (onAnswer(performance.now() - sentAtMs)) send();
      else socket.end();
    });
  });
}

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;

async function run(options: LoadOptions): Promise<LoadResult> {
  const request = prepare(options);
  const startMs = performance.now();
  const measureFromMs = startMs + options.warmupMs;
  const endMs = measureFromMs + options.durationMs;
  const tookMs: number[] = [];
  const onAnswer = (ms: number): boolean => {
    const nowMs = performance.now();
    if (nowMs >= measureFromMs && nowMs < endMs) tookMs.push(ms);
    return nowMs < endMs;
  };
  const sockets = Array.from({ length: options.connections }, () => connect(options.port, options.host));
  await Promise.all(sockets.map((socket) => runConnection(socket, request, onAnswer)));
  const sorted = tookMs.sort((a, b) => a - b);
  return {
    requests: sorted.length,
    seconds: options.durationMs / 1_000,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
  };
}

process.stdout.write(`${JSON.stringify(await run(LoadOptions.parse(JSON.parse(process.argv[2] ?? ''))))}\n`);
