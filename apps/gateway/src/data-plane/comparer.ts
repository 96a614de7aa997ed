/**
 * Compares answers without holding up callers: small ones here, large ones in a thread of their own, which is started when it is first
 * needed. What fails is told and left uncompared.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Answer, Protocol } from '#comparison/answer';
import { compareAnswers } from '#comparison/compare';
import type { Comparison } from '#comparison/compare';
import type { Logger } from '#platform/logger';
import { packageRoot } from '#platform/program';

/** Reading as much takes less than a millisecond. */
const inlineBytes = 65_536;
const timeoutMs = 30_000;

const besideUs = fileURLToPath(new URL('./compare-worker.js', import.meta.url));
const workerFile = existsSync(besideUs)
  ? besideUs
  : join(packageRoot, 'dist/apps/gateway/src/data-plane/compare-worker.js');

/** What the thread is told. */
export interface Pair {
  readonly one: Answer;
  readonly other: Answer;
  readonly protocol: Protocol;
}

export class Comparer {
  private worker: Worker | undefined;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly core: { readonly logger: Logger }) {}

  /** One at a time, so that few answers are inflated and read at once. @param read undefined: there is nothing to compare */
  compare(read: () => Promise<Pair | undefined>): Promise<Comparison | undefined> {
    const comparing = this.last.then(async () => {
      const pair = await read();
      if (!pair) return undefined;
      return pair.one.body.length + pair.other.body.length <= inlineBytes
        ? compareAnswers(pair.one, pair.other, pair.protocol)
        : this.compareAside(pair);
    });
    const settled = comparing.catch((error: unknown) => {
      this.core.logger.warn({ err: error }, 'answers of a shadow were not compared');
      this.close();
      return undefined;
    });
    this.last = settled;
    return settled;
  }

  /** Ends the thread; the next large comparison starts another. */
  close(): void {
    void this.worker?.terminate();
    this.worker = undefined;
  }

  private compareAside(pair: Pair): Promise<Comparison> {
    const worker = (this.worker ??= new Worker(workerFile, { execArgv: [] }));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(new Error('comparing took too long'))), timeoutMs);
      const onMessage = (comparison: Comparison): void => settle(() => resolve(comparison));
      const onError = (error: Error): void => settle(() => reject(error));
      const onExit = (): void => settle(() => reject(new Error('the comparing thread has ended')));
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        worker.off('message', onMessage).off('error', onError).off('exit', onExit).unref();
        then();
      };
      worker.once('message', onMessage).once('error', onError).once('exit', onExit).ref();
      worker.postMessage(pair, transferable([pair.one.body, pair.other.body]));
    });
  }
}

/** Buffers that share their memory with nothing else move to the thread; others are copied. */
const transferable = (bodies: readonly Buffer[]): ArrayBuffer[] =>
  bodies.flatMap(({ buffer, byteLength }) =>
    buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [],
  );
