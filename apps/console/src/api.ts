/** The one client of this page, at the address that served it, and the cache of what it has read. */
import { QueryCache, QueryClient } from '@tanstack/react-query';
import { SluiceClientError, createClient } from '#client/client';
import type { ClientOptions } from '#client/client';
import { z } from 'zod';
import { Session } from './session/session.js';

// The page's policy forbids making code out of text, by which zod would otherwise be faster.
z.config({ jitless: true });

const baseUrl = location.origin;
export const session = new Session(baseUrl);
export const clientOptions: ClientOptions = { baseUrl, token: session.token };
export const api = createClient(clientOptions);

/** A refused token ends the session, whichever call it was that found out. */
function onError(error: Error): void {
  if (error instanceof SluiceClientError && error.status === 401)
    session.end('The registry does not take your token any more. Sign in again.');
}

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError }),
  // Screens ask again by themselves; what they know stays on them meanwhile.
  defaultOptions: { queries: { retry: false, staleTime: 1_000, networkMode: 'always' } },
});
