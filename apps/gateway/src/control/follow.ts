/**
 * Follows the registry's snapshot: applies each one that comes, saves it, and comes back after every break. Never takes away what
 * the data plane already has.
 */
import { backoffMs, pause, registryBackoff } from '#client/backoff';
import { send } from '#client/client';
import { readEvents } from '#client/event-stream';
import type { TextBytes } from '#client/event-stream';
import { routes } from '#contracts/routes';
import { snapshotEvent } from '#contracts/snapshot';
import type { Logger } from '#platform/logger';

export interface FollowOptions {
  readonly registryUrl: string;
  readonly credential: () => string;
  /** A snapshot came, as JSON; it is in force when this resolves. */
  readonly apply: (text: TextBytes) => Promise<void>;
  /** The registry was heard: what is applied is still what it says. */
  readonly heard: () => void;
  readonly logger: Logger;
}

/** The registry sends something every 5 s; a stream that is silent for longer than this is dead. */
const silenceMs = 15_000;

/** Follows until the signal. */
export async function follow(options: FollowOptions, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    try {
      await readStream(options, signal, () => (failures = 0));
      failures += 1;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (failures === 1 || failures % 10 === 0)
        options.logger.warn({ err: error, failures }, 'the snapshot stream broke; serving the last snapshot');
    }
    await pause(backoffMs(registryBackoff, failures, Math.random), signal);
  }
}

async function readStream(options: FollowOptions, signal: AbortSignal, onAlive: () => void): Promise<void> {
  const silence = new AbortController();
  const watchdog = setTimeout(() => silence.abort(new Error('the stream went silent')), silenceMs);
  try {
    const response = await send(
      { baseUrl: options.registryUrl, token: options.credential },
      routes.gateways.stream,
      { signal: AbortSignal.any([signal, silence.signal]), headers: { accept: 'text/event-stream' } },
    );
    if (response.status !== 200 || !response.body)
      throw new Error(`the registry answered ${response.status} to the snapshot stream`);
    for await (const event of readEvents(response.body)) {
      watchdog.refresh();
      onAlive();
      if (event?.event === snapshotEvent) await options.apply(event.data);
      options.heard();
    }
  } finally {
    clearTimeout(watchdog);
  }
}
