/** A flag that can be waited for: set by many, cleared by the one who acts on it. */

export class Wake {
  private isSet = false;
  private notify: (() => void) | undefined;

  wake(): void {
    this.isSet = true;
    this.notify?.();
  }

  clear(): void {
    this.isSet = false;
  }

  /** Resolves to whether the flag is set: at once, when it gets set, or after `ms` or an abort. */
  wait(ms: number, signal: AbortSignal): Promise<boolean> {
    if (this.isSet || signal.aborted) return Promise.resolve(this.isSet);
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.notify = undefined;
        resolve(this.isSet);
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      this.notify = done;
    });
  }
}
