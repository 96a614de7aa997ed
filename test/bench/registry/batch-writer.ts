/**
 * Trainers that log metrics: each connection has a run of its own and sends batch after batch of new points. A program of
 * its own: `node batch-writer.js <json options>`, prints one JSON line. It counts only 200s and ends at anything else.
 */
import { once } from 'node:events';
import { z } from 'zod';
import { openConnection } from '../http-wire.js';

export const WriterOptions = z.object({
  port: z.number(),
  headers: z.record(z.string(), z.string()),
  /** One writer each. */
  runIds: z.array(z.string()),
  keys: z.int(),
  stepsPerBatch: z.int(),
  warmupMs: z.number(),
  durationMs: z.number(),
});

const host = '127.0.0.1';
const options = WriterOptions.parse(JSON.parse(process.argv[2] ?? ''));
const head = [
  'POST /api/2.0/mlflow/runs/log-batch HTTP/1.1',
  `host: ${host}:${options.port}`,
  ...Object.entries(options.headers).map(([name, value]) => `${name}: ${value}`),
].join('\r\n');

function requestOf(runId: string, firstStep: number): Buffer {
  const metrics: string[] = [];
  for (let step = firstStep; step < firstStep + options.stepsPerBatch; step += 1)
    for (let key = 0; key < options.keys; key += 1)
      metrics.push(
        `{"key":"metric-${key}","value":${(step % 977) / (key + 3)},"timestamp":${1_700_000_000_000 + step},"step":${step}}`,
      );
  const body = `{"run_id":"${runId}","metrics":[${metrics.join(',')}]}`;
  return Buffer.from(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
}

const fromMs = performance.now() + options.warmupMs;
const untilMs = fromMs + options.durationMs;
let batches = 0;

async function write(runId: string): Promise<void> {
  let step = 0;
  const socket = openConnection({ host, port: options.port }, () => {
    const nowMs = performance.now();
    if (nowMs >= fromMs && nowMs < untilMs) batches += 1;
    if (nowMs < untilMs) send();
    else socket.destroy();
  });
  const send = (): void => {
    socket.write(requestOf(runId, step));
    step += options.stepsPerBatch;
  };
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  send();
  await closed;
}

await Promise.all(options.runIds.map(write));
const points = batches * options.keys * options.stepsPerBatch;
process.stdout.write(`${JSON.stringify({ pointsPerSecond: points / (options.durationMs / 1_000) })}\n`);
