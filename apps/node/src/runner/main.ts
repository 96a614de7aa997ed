/**
 * A runner: one process, one model. Started by the node with a socket as file descriptor 3; it loads what the first frame
 * says, answers inference frames, and ends when the socket closes. It never opens a port and knows no registry.
 */
import { isTypical } from '#contracts/allotment';
import { hasRows } from '#contracts/rows';
import { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { UnloadableModelError, loadMeasured } from './engine.js';
import { FrameReader, FrameWriter } from './frames.js';
import type { Frame } from './frames.js';
import {
  decodeInferHead,
  decodeMessage,
  encodeMessage,
  fromRunner,
  inferHeadBytes,
  toRunner,
} from './messages.js';
import type { LoadFailedMessage, LoadMessage, LoadedMessage, MemoryMessage } from './messages.js';
import { machineMs } from './machine-clock.js';
import { cleanReason } from './reason.js';
import { RequestQueue } from './request-queue.js';
import type { QueueOptions } from './request-queue.js';

/** Computing yields to whoever only passes messages: the front answers at once even where runners want more than there are cores. */
const niceness = 5;
setPriority(niceness);

// A terminal's Ctrl-C reaches the whole process group; only the node decides when a runner ends.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);

const socket = new Socket({ fd: 3, readable: true, writable: true });
const writer = new FrameWriter(socket);
const reader = new FrameReader();
let queue: RequestQueue | undefined;
/** How often a working runner tells what it holds. */
const memoryEveryMs = 2_000;
let memoryToldMs = 0;

socket.on('data', (chunk) => reader.push(chunk, onFrame));
socket.on('close', () => process.exit(0));
socket.on('error', () => process.exit(1));

function onFrame({ id, kind, payload }: Frame): void {
  if (kind === toRunner.infer) {
    tellMemory();
    queue?.add(id, payload.subarray(inferHeadBytes), decodeInferHead(payload));
  } else if (kind === toRunner.cancel) queue?.cancel(id);
  else if (kind === toRunner.load) void load(decodeMessage(payload) as LoadMessage);
}

/** Written before the warm-up blocks, or kills, this process. */
function tellOpened(): void {
  writer.send(0, fromRunner.opened);
  writer.flush();
}

function tellMemory(): void {
  const nowMs = performance.now();
  if (nowMs - memoryToldMs < memoryEveryMs) return;
  memoryToldMs = nowMs;
  const held: MemoryMessage = { rss_bytes: process.memoryUsage.rss() };
  writer.send(0, fromRunner.memory, encodeMessage(held));
}

function queueOptions(message: LoadMessage, { profile, signature }: LoadedMessage): QueueOptions {
  const { model, version, config } = message;
  return {
    label: { model, version },
    limits: message.limits,
    batching: profile.batching ?? { enabled: false, costs: [] },
    maxBatchRows: config.max_batch_size,
    maxQueueDelayMs: config.max_queue_delay_us / 1_000,
    hasRows: hasRows(signature),
    isTypical: isTypical(signature),
  };
}

async function load(message: LoadMessage): Promise<void> {
  try {
    const { engine, loaded } = await loadMeasured(message, tellOpened);
    queue = new RequestQueue(engine, queueOptions(message, loaded), writer, machineMs);
    writer.send(0, fromRunner.loaded, encodeMessage(loaded));
    memoryToldMs = -memoryEveryMs;
    tellMemory();
  } catch (error) {
    const failed: LoadFailedMessage = {
      reason: cleanReason(error, message.entryPath),
      permanent: error instanceof UnloadableModelError && error.permanent,
    };
    writer.send(0, fromRunner.loadFailed, encodeMessage(failed));
    writer.flush();
    socket.end();
  }
}
