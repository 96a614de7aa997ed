/** Keeps an answer, as far as it is worth comparing, while it goes to its caller. */
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import type { Answer } from '#comparison/answer';
import type { ResponseHeaders } from './attempt.js';

const headerLength = 'inference-header-content-length';

/** They work in libuv's threads. */
const inflaters = new Map([
  ['gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
]);

export class Recording {
  private readonly chunks: Buffer[] = [];
  private bytes = 0;

  constructor(
    private readonly headers: ResponseHeaders,
    readonly maxBytes: number,
    private readonly maxInflatedBytes: number,
  ) {}

  add(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.bytes <= this.maxBytes) this.chunks.push(chunk);
  }

  /** Undefined when it is too large, or compressed in a way that is not known or broken. */
  async answer(): Promise<Answer | undefined> {
    if (this.bytes > this.maxBytes) return undefined;
    const body = await this.inflated(Buffer.concat(this.chunks));
    const length = this.headers[headerLength];
    return body && { body, headerLength: typeof length === 'string' ? Number(length) : undefined };
  }

  private async inflated(body: Buffer): Promise<Buffer | undefined> {
    const encoding = this.headers['content-encoding'];
    if (encoding === undefined || encoding === 'identity') return body;
    const inflater = inflaters.get(String(encoding).toLowerCase());
    // What does not inflate is not compared; its caller has it as it came.
    return inflater?.(body, { maxOutputLength: this.maxInflatedBytes }).catch(() => undefined);
  }
}
