/**
 * Follows what changes and goes on after every break where it was, at whichever registry answers: what a console shows live, and a
 * command with `--watch`. It ends with the caller's signal, or when the registry refuses it. Runs in browsers too.
 */
import { ChangeEvent, changeEventName, resetEventName } from '#contracts/events';
import { routes } from '#contracts/routes';
import { backoffMs, pause, registryBackoff } from './backoff.js';
import { SluiceClientError, errorFrom, send } from './client.js';
import type { ClientOptions } from './client.js';
import { readEvents, textOf } from './event-stream.js';
import type { ServerEvent } from './event-stream.js';

/**
 * `reset`: changes were missed that are no longer kept. Read again what you show; what follows is complete.
 * `unreadable`: an event that is no change as this version knows it; it is passed over. `interrupted`: nothing comes, until
 * the stream is there again in about `retryInMs`; what happens meanwhile comes then. Both are for a log.
 */
export type Followed =
  | { readonly kind: 'change'; readonly change: ChangeEvent }
  | { readonly kind: 'reset' }
  | { readonly kind: 'unreadable'; readonly id: string | undefined; readonly error: unknown }
  | { readonly kind: 'interrupted'; readonly error: unknown; readonly retryInMs: number };

/** Which changes; `after` is the number of the last one that is known, without it only what comes from now on is told. */
export interface EventChoice {
  readonly types?: string;
  readonly subject_prefix?: string;
  readonly after?: number;
}

export interface FollowOptions {
  /** Told whenever the stream is there (again). */
  readonly onOpen?: () => void;
  readonly random?: () => number;
}

/** The registry sends something every 5 s; a stream that is silent for longer than this is dead. */
const silenceMs = 20_000;

/** @throws SluiceClientError when the registry refuses the call; being away, it is waited for */
export async function* followEvents(
  options: ClientOptions,
  choice: EventChoice,
  signal: AbortSignal,
  { onOpen = () => undefined, random = Math.random }: FollowOptions = {},
): AsyncGenerator<Followed> {
  let place: string | undefined;
  for (let failures = 0; !signal.aborted; failures += 1) {
    let error: unknown = new Error('the registry ended the stream');
    try {
      for await (const event of readStream(options, choice, place, signal, onOpen)) {
        failures = 0;
        place = event.id ?? place;
        const followed = read(event);
        if (followed) yield followed;
      }
    } catch (thrown) {
      if (thrown instanceof SluiceClientError && thrown.status >= 400 && thrown.status < 500) throw thrown;
      error = thrown;
    }
    if (signal.aborted) return;
    const retryInMs = backoffMs(registryBackoff, failures + 1, random);
    yield { kind: 'interrupted', error, retryInMs };
    await pause(retryInMs, signal);
  }
}

/** Undefined for what only moves the place, and for names of later versions. */
function read({ event, id, data }: ServerEvent): Followed | undefined {
  if (event === resetEventName) return { kind: 'reset' };
  if (event !== changeEventName) return undefined;
  try {
    return { kind: 'change', change: ChangeEvent.parse(JSON.parse(textOf(data))) };
  } catch (error) {
    return { kind: 'unreadable', id, error };
  }
}

async function* readStream(
  options: ClientOptions,
  choice: EventChoice,
  place: string | undefined,
  signal: AbortSignal,
  onOpen: () => void,
) {
  const silence = new AbortController();
  const watch = () =>
    setTimeout(() => silence.abort(new Error(`nothing came for ${silenceMs} ms`)), silenceMs);
  let watchdog = watch();
  try {
    const response = await send(options, routes.events.stream, {
      query: { ...choice },
      headers: place === undefined ? {} : { 'last-event-id': place },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (response.status !== routes.events.stream.status || !response.body)
      throw await errorFrom(routes.events.stream, response);
    onOpen();
    for await (const event of readEvents(chunksOf(response.body))) {
      clearTimeout(watchdog);
      watchdog = watch();
      if (event) yield event;
    }
  } finally {
    clearTimeout(watchdog);
  }
}

/** Not every browser lets a stream be iterated. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
