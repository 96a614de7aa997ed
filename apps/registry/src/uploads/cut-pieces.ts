/**
 * Cuts a stream of unknown fate into pieces that can be stored one by one. When the stream breaks, what came before the
 * break is a piece too; the error is kept for afterwards. Holds no more than one chunk.
 */
import { Readable } from 'node:stream';

export class PieceCutter {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer | undefined;
  #ended = false;
  /** Why the stream ended too early. */
  error: Error | undefined;

  constructor(
    source: AsyncIterable<Buffer>,
    private readonly pieceBytes: number,
  ) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Resolves to whether there is another byte. */
  async hasMore(): Promise<boolean> {
    while (this.#rest === undefined && !this.#ended) await this.#pull();
    return this.#rest !== undefined;
  }

  /** The next piece, to be read to its end before the one after it. */
  next(): Readable {
    return Readable.from(this.#take(), { objectMode: false });
  }

  async *#take(): AsyncGenerator<Buffer> {
    for (let left = this.pieceBytes; left > 0 && (await this.hasMore());) {
      const chunk = this.#rest ?? Buffer.alloc(0);
      const taken = chunk.subarray(0, left);
      this.#rest = chunk.length > left ? chunk.subarray(left) : undefined;
      left -= taken.length;
      yield taken;
    }
  }

  async #pull(): Promise<void> {
    try {
      const { done, value } = await this.#chunks.next();
      if (done === true) this.#ended = true;
      else if (value.length > 0) this.#rest = value;
    } catch (error) {
      this.#ended = true;
      this.error = error instanceof Error ? error : new Error(String(error));
    }
  }
}
