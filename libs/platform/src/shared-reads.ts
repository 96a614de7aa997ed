interface Entry<V> {
  /** Settles when the read under way has, whatever came of it. */
  readonly ended: Promise<void>;
  /** The read that follows, once somebody waits for it. */
  next: Promise<V> | undefined;
}

/**
 * Reads that many callers want at the same time. Everyone gets the answer of a read that began after he asked, so he sees
 * all that he would have seen alone; whoever asks while one is under way shares the next. Nothing is kept afterwards.
 */
export class SharedReads<V> {
  readonly #entries = new Map<string, Entry<V>>();

  constructor(private readonly read: (key: string) => Promise<V>) {}

  get(key: string): Promise<V> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return this.#begin(key);
    entry.next ??= entry.ended.then(() => this.#begin(key));
    return entry.next;
  }

  #begin(key: string): Promise<V> {
    const answer = this.read(key);
    const end = (): void => {
      if (entry.next === undefined) this.#entries.delete(key);
    };
    const entry: Entry<V> = { ended: answer.then(end, end), next: undefined };
    this.#entries.set(key, entry);
    return answer;
  }
}
