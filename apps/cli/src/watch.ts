/**
 * Runs a command again whenever something changed that it shows, until it has come to an end or is told to stop. Changes that come
 * while it runs make one more run.
 */
import { followEvents } from '#client/follow-events';
import { tellBreak } from './commands/events/watch.js';
import type { Command, Context } from './command.js';
import type { ExitCode } from './exit-code.js';

/** @returns undefined when the signal ended it */
export async function watch(command: Command, context: Context): Promise<ExitCode | undefined> {
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const bell = new Bell();
  const following = follow(command.watches ?? '', { ...context, signal }, bell);
  try {
    while (await bell.next(signal)) {
      const code = await command.run(context);
      if (code !== undefined) return code;
    }
    await following;
    return undefined;
  } finally {
    ended.abort();
  }
}

async function follow(types: string, { connection, signal, io }: Context, bell: Bell): Promise<void> {
  const onOpen = (): void => bell.ring();
  try {
    for await (const event of followEvents(connection, { types }, signal, { onOpen }))
      if (event.kind === 'interrupted') tellBreak(io, event);
      else bell.ring();
  } catch (error) {
    bell.break(error);
  }
}

/** Rings are kept until somebody listens; many are one. */
class Bell {
  private isRung = false;
  private failure: { readonly error: unknown } | undefined;
  private wake: () => void = () => undefined;

  ring(): void {
    this.isRung = true;
    this.wake();
  }

  break(error: unknown): void {
    this.failure = { error };
    this.wake();
  }

  /** @returns false when the signal came first; throws what broke it */
  async next(signal: AbortSignal): Promise<boolean> {
    if (!this.isRung && !this.failure && !signal.aborted)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    if (this.failure) throw this.failure.error;
    if (signal.aborted) return false;
    this.isRung = false;
    return true;
  }
}
