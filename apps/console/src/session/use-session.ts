import { useSyncExternalStore } from 'react';
import { queryClient, session } from '../api.js';
import type { SessionState } from './session.js';

export const useSession = (): SessionState => useSyncExternalStore(session.subscribe, () => session.state);

/** What one person has read is not for the next one. */
export async function signOut(): Promise<void> {
  await session.signOut();
  queryClient.clear();
}
