/** Sends one reader what comes after its place in the log, page by page, at the reader's speed. */
import type { SseConnection } from '../http/sse-connection.js';

/** Anything whose number grows. */
interface Numbered {
  readonly number: number;
}

export interface EventSource<E extends Numbered> {
  /** Of the server-sent events. */
  readonly name: string;
  /** The next events after a number, in order; none when there are no more. */
  readonly read: (after: number) => Promise<readonly E[]>;
  readonly isWanted: (event: E) => boolean;
  readonly onError: (error: unknown) => void;
}

export class EventFollower<E extends Numbered> {
  private reading: Promise<void> | undefined;
  private again = false;

  constructor(
    private readonly connection: Pick<SseConnection, 'send' | 'isBlocked'>,
    private place: number,
    private readonly source: EventSource<E>,
  ) {}

  /** There may be more to send. */
  wake(): void {
    this.again = true;
    this.reading ??= this.pump()
      .catch((error: unknown) => this.source.onError(error))
      .finally(() => {
        this.reading = undefined;
      });
  }

  private async pump(): Promise<void> {
    while (this.again && !this.connection.isBlocked) {
      const events = await this.source.read(this.place);
      this.again = events.length > 0;
      this.send(events);
    }
  }

  private send(events: readonly E[]): void {
    const last = events.at(-1);
    if (last === undefined) return;
    const wanted = events.filter((event) => this.source.isWanted(event));
    for (const event of wanted)
      this.connection.send({ event: this.source.name, id: event.number, data: JSON.stringify(event) });
    if (wanted.at(-1) !== last) this.connection.send({ id: last.number });
    this.place = last.number;
  }
}
