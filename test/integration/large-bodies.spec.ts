/** A body of a gibibyte there and back on every way through the gateway: no faster than the slower side, and in bounded memory. */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { sluiceHeaders } from '#contracts/oip';
import { cleanUp, openSocket, until } from './gateway-harness.js';
import { openWay, wayNames } from './hazard-ways.js';

afterEach(cleanUp);

const mebibyte = 1_048_576;
const totalBytes = 1_024 * mebibyte;
const block = Buffer.alloc(262_144, 'sluice');
/** Of caller, gateway and upstream together, which share this process. */
const maxGrowthBytes = 256 * mebibyte;

/** Writes `totalBytes` as fast as they are taken. */
class Writer {
  sentBytes = 0;
  constructor(private readonly socket: Socket) {
    this.write();
  }

  private write(): void {
    while (this.sentBytes < totalBytes) {
      this.sentBytes += block.length;
      if (!this.socket.write(block)) return void this.socket.once('drain', () => this.write());
    }
  }
}

/** Resolves when a writer has come to a stand. @returns what it has got rid of */
async function stalledAt(writer: Writer): Promise<number> {
  let before = -1;
  while (before !== writer.sentBytes) {
    before = writer.sentBytes;
    await sleep(200);
  }
  return before;
}

class Memory {
  private readonly before = process.memoryUsage().rss;
  private peak = 0;
  private readonly timer = setInterval(() => {
    this.peak = Math.max(this.peak, process.memoryUsage().rss);
  }, 20);

  /** The most that was ever added. */
  end(): number {
    clearInterval(this.timer);
    return this.peak - this.before;
  }
}

it.each(wayNames)('%s', { timeout: 240_000 }, async (name) => {
  const way = await openWay(name, {
    SLUICE_GATEWAY_MAX_BODY_BYTES: totalBytes,
    SLUICE_GATEWAY_BODY_TIMEOUT_MS: 600_000,
  });
  let upstream: Socket | undefined;
  let answer: Writer | undefined;
  way.upstream.onHead = ({ socket }) => (upstream = socket.pause());
  way.upstream.onRequest = ({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${totalBytes}\r\n\r\n`);
    answer = new Writer(socket);
  };
  const memory = new Memory();
  const caller = await openSocket(way.gateway.url);
  caller.write(way.head(`content-length: ${totalBytes}\r\n${sluiceHeaders.deadlineMs}: 600000\r\n`));
  const request = new Writer(caller);
  await until(() => upstream !== undefined, 'request upstream');
  expect(await stalledAt(request)).toBeLessThan(64 * mebibyte);
  upstream?.resume();

  while (!answer) await sleep(10);
  expect(way.upstream.requests[0]?.bodyBytes).toBe(totalBytes);
  expect(await stalledAt(answer)).toBeLessThan(64 * mebibyte);
  let receivedBytes = 0;
  const received = new Promise<void>((resolve) => {
    caller.on('data', (chunk: Buffer) => {
      receivedBytes += chunk.length;
      if (receivedBytes > totalBytes) resolve();
    });
  });
  await received;
  expect(memory.end()).toBeLessThan(maxGrowthBytes);
  await until(() => way.gateway.core.inFlight === 0, 'counted out');
});
