/** Sends one reader what comes after its place in the log, page by page, at the reader's speed. */
import type { ChangeEvent } from '#contracts/events';
import { changeEventName } from '#contracts/events';
import type { SseConnection } from '../http/sse-connection.js';

export interface EventSource {
  /** The next events after a number, in order; none when there are no more. */
  readonly read: (after: number) => Promise<readonly ChangeEvent[]>;
  readonly isWanted: (event: ChangeEvent) => boolean;
  readonly onError: (error: unknown) => void;
}

export class EventFollower {
  private reading: Promise<void> | undefined;
  private again = false;

  constructor(
    private readonly connection: Pick<SseConnection, 'send' | 'isBlocked'>,
    private place: number,
    private readonly source: EventSource,
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

  private send(events: readonly ChangeEvent[]): void {
    const last = events.at(-1);
    if (last === undefined) return;
    const wanted = events.filter((event) => this.source.isWanted(event));
    for (const event of wanted)
      this.connection.send({ event: changeEventName, id: event.number, data: JSON.stringify(event) });
    if (wanted.at(-1) !== last) this.connection.send({ id: last.number });
    this.place = last.number;
  }
}
