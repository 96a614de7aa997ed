import { createContext, useContext, useSyncExternalStore } from 'react';
import type { LiveFeed, LiveState } from './live-feed.js';

export const LiveContext = createContext<LiveFeed | undefined>(undefined);

export function useLive(): LiveState {
  const feed = useContext(LiveContext);
  if (!feed) throw new Error('There is no LiveProvider around this');
  return useSyncExternalStore(feed.subscribe, () => feed.state);
}

/** How often to ask for what events do not tell, or while none come. */
export function usePollMs(liveMs: number): number {
  const { connection } = useLive();
  return connection === 'live' ? liveMs : Math.min(liveMs, 5_000);
}
