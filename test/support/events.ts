/** Follows the event stream of a registry as a browser's EventSource would. */
import type { ChangeEvent } from '#contracts/events';
import { once } from 'node:events';
import { EventEmitter } from 'node:events';

export interface FollowedEvents {
  readonly changes: ChangeEvent[];
  /** Names of the events that are no changes. */
  readonly others: string[];
  /** What a reader sends as Last-Event-ID when it comes again. */
  lastEventId(): string;
  /** Waits until one has come that fits; looks at those that are there first. */
  until(fits: (event: ChangeEvent) => boolean): Promise<ChangeEvent>;
  readonly ended: Promise<void>;
  stop(): void;
}

export async function followEvents(
  registryUrl: string,
  token: string,
  { query = '', lastEventId }: { query?: string; lastEventId?: string } = {},
): Promise<FollowedEvents> {
  const abort = new AbortController();
  const response = await fetch(new URL(`/api/v1/events${query}`, registryUrl), {
    headers: {
      authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    signal: abort.signal,
  });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  const changes: ChangeEvent[] = [];
  const others: string[] = [];
  const came = new EventEmitter();
  let place = lastEventId ?? '';
  const take = (message: string): void => {
    const fields = new Map(message.split('\n').map((line) => [line.split(': ', 1)[0], line] as const));
    const value = (name: string): string | undefined => fields.get(name)?.slice(name.length + 2);
    place = value('id') ?? place;
    const data = value('data');
    if (data === undefined) return;
    if (value('event') === 'change') changes.push(JSON.parse(data) as ChangeEvent);
    else others.push(value('event') ?? '');
    came.emit('event');
  };
  const read = async (): Promise<void> => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      const messages = text.split('\n\n');
      text = messages.pop() ?? '';
      for (const message of messages) take(message);
    }
  };
  return {
    changes,
    others,
    lastEventId: () => place,
    until: async (fits) => {
      for (;;) {
        const found = changes.find(fits);
        if (found) return found;
        await once(came, 'event');
      }
    },
    ended: read().catch(() => undefined),
    stop: () => abort.abort(),
  };
}
