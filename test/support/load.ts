/** Steady load from a few connections, counted by outcome, until told to stop. */
import type { Caller } from './platform.js';

export interface Load {
  /** Answers so far by what `classify` made of them. */
  readonly counts: ReadonlyMap<string, number>;
  /** Resolves after `count` more answers. */
  after(count: number): Promise<void>;
  /** Ends the load; resolves when the last answer is in. */
  stop(): Promise<void>;
}

/** The version that answered, or the status and code of a failure. */
export async function outcomeOf(response: Response): Promise<string> {
  await response.arrayBuffer();
  if (response.ok) return `version ${response.headers.get('x-sluice-version')}`;
  return `${response.status} ${response.headers.get('x-sluice-code')}`;
}

/** The same with the node that answered. */
export async function nodeOutcomeOf(response: Response): Promise<string> {
  const outcome = await outcomeOf(response);
  return response.ok ? `${outcome} at ${response.headers.get('x-sluice-node')}` : outcome;
}

export function startLoad(
  caller: Caller,
  target: string,
  body: unknown,
  connections: number,
  classify = outcomeOf,
): Load {
  const counts = new Map<string, number>();
  const waiters: { left: number; resolve: () => void }[] = [];
  let running = true;
  const record = (outcome: string): void => {
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    for (const waiter of waiters) if (--waiter.left === 0) waiter.resolve();
  };
  const loop = async (): Promise<void> => {
    while (running) {
      const outcome = await caller
        .infer(target, body)
        .then(classify, (error: unknown) => `broken: ${String(error)}`);
      record(outcome);
    }
  };
  const loops = Array.from({ length: connections }, loop);
  return {
    counts,
    after: (count) => new Promise((resolve) => waiters.push({ left: count, resolve })),
    stop: async () => {
      running = false;
      await Promise.all(loops);
    },
  };
}

/** What went wrong under load: empty when every answer came from a version. */
export const failures = (load: Load): [string, number][] =>
  [...load.counts].filter(([outcome]) => !outcome.startsWith('version '));
