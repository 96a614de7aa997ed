/**
 * The gateway as several processes on one port: starts a worker for each slot, replaces those that die, ends them all. Each worker
 * is a whole gateway with a folder of its own, and so with its own snapshot, leases and usage; they share nothing but the port.
 * It must never stand between a caller and a worker.
 */
import cluster from 'node:cluster';
import type { Worker } from 'node:cluster';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { backoffMs } from '#client/backoff';
import type { Logger } from '#platform/logger';
import { StartError } from '#platform/start';
import type { GatewaySettings } from '../config.js';

/** What a worker says of itself: that it listens, and that it has something to serve from. */
const WorkerMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('listening'), admin_url: z.url() }),
  z.object({ type: z.literal('ready'), url: z.url() }),
]);

/** A worker that lived so long has forgiven the deaths before it. */
const stableMs = 60_000;
const restartBackoff = { firstMs: 200, maxMs: 5_000 };

/** The settings in which the worker of a slot differs. The first keeps the folder, so that one gateway can become several and back. */
export function workerEnv(settings: GatewaySettings, slot: number): Record<string, string> {
  const folder = settings.SLUICE_GATEWAY_DATA_DIR;
  return {
    SLUICE_GATEWAY_NAME: `${settings.SLUICE_GATEWAY_NAME}-${slot}`,
    SLUICE_GATEWAY_DATA_DIR: slot === 1 ? folder : join(folder, `worker-${slot}`),
    SLUICE_GATEWAY_ADMIN_HOST: '127.0.0.1',
    SLUICE_GATEWAY_ADMIN_PORT: '0',
  };
}

interface Slot {
  readonly number: number;
  worker: Worker | undefined;
  /** Where its worker answers questions of administrators; undefined while there is none. */
  adminUrl: string | undefined;
  startedMs: number;
  deaths: number;
}

export class Fleet {
  restarts = 0;
  isClosing = false;
  /** Resolves with the public address when every worker has been ready once. */
  readonly ready: Promise<string>;
  /** Called when a worker is gone, with its slot. */
  onGone: (slot: number) => void = () => undefined;
  private readonly slots: Slot[];
  private readonly waiting: Set<number>;
  private markReady: (url: string) => void = () => undefined;
  private fail: (error: Error) => void = () => undefined;

  constructor(
    private readonly settings: GatewaySettings,
    private readonly logger: Logger,
  ) {
    this.ready = new Promise((resolve, reject) => ([this.markReady, this.fail] = [resolve, reject]));
    const numbers = Array.from({ length: settings.SLUICE_GATEWAY_WORKERS }, (_, index) => index + 1);
    this.slots = numbers.map((number) => ({
      number,
      worker: undefined,
      adminUrl: undefined,
      startedMs: 0,
      deaths: 0,
    }));
    this.waiting = new Set(numbers);
  }

  start(): void {
    // Workers accept for themselves. Were connections dealt out here, one dealt to a worker that has just died would hang for good.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    for (const slot of this.slots) this.launch(slot);
  }

  /** Workers that answer questions, by slot. */
  get admins(): ReadonlyMap<number, string> {
    return new Map(
      this.slots.flatMap(({ number, adminUrl }) => (adminUrl === undefined ? [] : [[number, adminUrl]])),
    );
  }

  /** Lets every worker finish what it has. */
  async close(): Promise<void> {
    this.isClosing = true;
    await Promise.all(
      this.slots.map(async ({ worker }) => {
        if (!worker || worker.isDead()) return;
        const gone = once(worker, 'exit');
        worker.process.kill('SIGTERM');
        await gone;
      }),
    );
  }

  private launch(slot: Slot): void {
    slot.startedMs = performance.now();
    const worker = cluster.fork(workerEnv(this.settings, slot.number));
    slot.worker = worker;
    worker.on('message', (message: unknown) => this.hear(slot, message));
    worker.once('exit', (code: number, signal: string | null) => this.gone(slot, signal ?? `code ${code}`));
  }

  private hear(slot: Slot, message: unknown): void {
    const { data } = WorkerMessage.safeParse(message);
    if (data?.type === 'listening') slot.adminUrl = data.admin_url;
    if (data?.type !== 'ready') return;
    this.waiting.delete(slot.number);
    if (this.waiting.size === 0) this.markReady(data.url);
  }

  private gone(slot: Slot, how: string): void {
    const neverListened = slot.adminUrl === undefined;
    slot.worker = undefined;
    slot.adminUrl = undefined;
    this.onGone(slot.number);
    if (this.isClosing) return;
    if (neverListened && this.waiting.size > 0) {
      // It has said why on stderr; a second try would say the same.
      this.fail(new StartError(`worker ${slot.number} could not start (${how})`));
      return;
    }
    slot.deaths = performance.now() - slot.startedMs > stableMs ? 1 : slot.deaths + 1;
    this.logger.error({ worker: slot.number, how, deaths: slot.deaths }, 'a worker died');
    void this.restart(slot);
  }

  private async restart(slot: Slot): Promise<void> {
    if (slot.deaths > 1) await sleep(backoffMs(restartBackoff, slot.deaths - 1, Math.random));
    if (this.isClosing) return;
    this.restarts += 1;
    this.launch(slot);
  }
}
