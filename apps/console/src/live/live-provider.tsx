import { useEffect, useState } from 'react';
import type { ReactNode } from 'react';
import { clientOptions, queryClient } from '../api.js';
import { staleAfter } from './stale-after.js';
import { LiveFeed } from './live-feed.js';
import { LiveContext } from './use-live.js';

/** Changes that come together make one reading. */
const gatherMs = 200;

function createFeed(): LiveFeed {
  const stale = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const readAgain = (): void => {
    timer = undefined;
    for (const name of stale) void queryClient.invalidateQueries({ queryKey: [name] });
    stale.clear();
  };
  return new LiveFeed(clientOptions, (change) => {
    for (const name of staleAfter(change?.type)) stale.add(name);
    timer ??= setTimeout(readAgain, gatherMs);
  });
}

/** Follows the events while somebody is signed in. */
export function LiveProvider({ children }: { readonly children: ReactNode }) {
  const [feed] = useState(createFeed);
  useEffect(() => {
    feed.open();
    return () => feed.close();
  }, [feed]);
  return <LiveContext value={feed}>{children}</LiveContext>;
}
