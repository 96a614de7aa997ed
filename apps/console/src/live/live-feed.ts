/**
 * What changed, as the registry tells it: keeps the newest changes, says whether the stream is open, and calls back for each change, so
 * that what is on the screen is read again. Knows nothing of screens.
 */
import { SluiceClientError } from '#client/client';
import type { ClientOptions } from '#client/client';
import { followEvents } from '#client/follow-events';
import type { Followed } from '#client/follow-events';
import type { ChangeEvent } from '#contracts/events';

export interface LiveState {
  readonly connection: 'connecting' | 'live' | 'polling';
  /** Newest first. */
  readonly changes: readonly ChangeEvent[];
}

const keptChanges = 200;

export class LiveFeed {
  state: LiveState = { connection: 'connecting', changes: [] };
  private readonly listeners = new Set<() => void>();
  private stop = new AbortController();

  constructor(
    private readonly options: ClientOptions,
    /** undefined: changes were missed, anything may be different. */
    private readonly onChange: (change: ChangeEvent | undefined) => void,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  open(): void {
    this.stop = new AbortController();
    void this.follow(this.stop.signal);
  }

  close(): void {
    this.stop.abort();
  }

  private async follow(signal: AbortSignal): Promise<void> {
    const onOpen = (): void => this.become({ connection: 'live' });
    try {
      for await (const event of followEvents(this.options, {}, signal, { onOpen })) this.take(event);
    } catch (error) {
      // Refused: the screens' own calls say why, and they go on asking.
      if (!(error instanceof SluiceClientError)) throw error;
      this.become({ connection: 'polling' });
    }
  }

  private take(event: Followed): void {
    switch (event.kind) {
      case 'change':
        this.become({ changes: [event.change, ...this.state.changes].slice(0, keptChanges) });
        this.onChange(event.change);
        break;
      case 'reset':
      case 'unreadable':
        this.onChange(undefined);
        break;
      case 'interrupted':
        this.become({ connection: 'polling' });
        break;
    }
  }

  private become(part: Partial<LiveState>): void {
    this.state = { ...this.state, ...part };
    for (const listener of this.listeners) listener();
  }
}
