/**
 * Files of certificates and keys: read, and read again when they change. What cannot be used, such as a certificate whose key is
 * still to come, changes nothing and is told once. Knows nothing of what the files are for.
 */
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from './errors.js';
import type { Logger } from './logger.js';

/** Files are looked at and not watched: a mounted secret changes by the swap of a link, which no watcher of the file sees. */
export const reloadEveryMs = 1_000;

export interface FollowedFilesOptions<T> {
  /** For the log. */
  readonly what: string;
  read(): Promise<T>;
  /** Throws when they cannot be used, or do not belong together. */
  check(contents: T): void;
  /** They have changed, and can be used. */
  onChange(contents: T): void;
}

export class FollowedFiles<T> {
  private refused = '';
  private readonly timer: NodeJS.Timeout;

  private constructor(
    private contents: T,
    private readonly options: FollowedFilesOptions<T>,
    private readonly logger: Logger,
  ) {
    this.timer = setInterval(() => void this.look(), reloadEveryMs).unref();
  }

  /** @throws what `read` and `check` throw */
  static async open<T>(options: FollowedFilesOptions<T>, logger: Logger): Promise<FollowedFiles<T>> {
    const contents = await options.read();
    options.check(contents);
    return new FollowedFiles(contents, options, logger);
  }

  /** The last that could be used. */
  get current(): T {
    return this.contents;
  }

  close(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    const { what } = this.options;
    try {
      const contents = await this.options.read();
      if (isDeepStrictEqual(contents, this.contents)) return;
      this.options.check(contents);
      this.contents = contents;
      this.refused = '';
      this.options.onChange(contents);
      this.logger.info({ what }, 'changed certificates are in use');
    } catch (error) {
      const reason = messageOf(error);
      if (reason === this.refused) return;
      this.refused = reason;
      this.logger.warn({ what, reason }, 'changed certificates cannot be used; the last good ones stay');
    }
  }
}
