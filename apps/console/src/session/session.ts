/**
 * Who is signed in, in this tab: a person's session, whose refresh token is good for one use, or a pasted token. What lasts is kept in
 * the tab's sessionStorage and ends with it; access tokens are in memory only. Knows nothing of screens.
 */
import { SluiceClientError, createClient } from '#client/client';
import type { SessionTokens } from '#contracts/people';

type Credential =
  | { readonly kind: 'session'; readonly refreshToken: string }
  | { readonly kind: 'token'; readonly token: string };

/** `notice`: why one has to sign in (again). */
export type SessionState =
  { readonly kind: 'signed-out'; readonly notice: string | undefined } | { readonly kind: 'signed-in' };

interface AccessToken {
  readonly token: string;
  readonly renewAtMs: number;
}

const storageKey = 'sluice.credential';
const renewBeforeMs = 60_000;

const isRefusal = (error: unknown): error is SluiceClientError =>
  error instanceof SluiceClientError && error.status >= 400 && error.status < 500 && error.status !== 429;

function readStored(): Credential | undefined {
  const text = sessionStorage.getItem(storageKey);
  return text === null ? undefined : (JSON.parse(text) as Credential);
}

export class Session {
  private credential = readStored();
  private access: AccessToken | undefined;
  private refreshing: Promise<string> | undefined;
  private readonly listeners = new Set<() => void>();
  private readonly client: ReturnType<typeof createClient>;
  state: SessionState = this.credential ? { kind: 'signed-in' } : { kind: 'signed-out', notice: undefined };

  constructor(private readonly baseUrl: string) {
    this.client = createClient({ baseUrl });
  }

  /** For React's useSyncExternalStore. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The token for a call; renewed in time, by one request for all who ask. */
  readonly token = (): Promise<string> => {
    if (this.credential?.kind === 'token') return Promise.resolve(this.credential.token);
    if (this.access && Date.now() < this.access.renewAtMs) return Promise.resolve(this.access.token);
    this.refreshing ??= this.refresh().finally(() => (this.refreshing = undefined));
    return this.refreshing;
  };

  async signInWithPassword(login: string, password: string): Promise<void> {
    this.take(await this.client.sessions.begin({ body: { login, password } }));
    this.become({ kind: 'signed-in' });
  }

  /** @throws SluiceClientError when the registry does not take the token */
  async signInWithToken(token: string): Promise<void> {
    await createClient({ baseUrl: this.baseUrl, token: () => token }).sessions.me();
    this.keep({ kind: 'token', token });
    this.become({ kind: 'signed-in' });
  }

  async signOut(): Promise<void> {
    const wasSession = this.credential?.kind === 'session';
    const token = await this.token().catch(() => undefined);
    this.end(undefined);
    if (!wasSession || token === undefined) return;
    await createClient({ baseUrl: this.baseUrl, token: () => token })
      .sessions.end()
      .catch(() => undefined);
  }

  /** The registry does not take the token any more. */
  end(notice: string | undefined): void {
    this.keep(undefined);
    this.access = undefined;
    this.become({ kind: 'signed-out', notice });
  }

  private async refresh(): Promise<string> {
    const { credential } = this;
    if (credential?.kind !== 'session') throw new SluiceClientError(401, 'UNAUTHENTICATED', 'Sign in first.');
    try {
      const body = { grant_type: 'refresh_token', refresh_token: credential.refreshToken } as const;
      const { refresh_token: refreshToken, ...answer } = await this.client.auth.token({ body });
      return this.take({ ...answer, refresh_token: refreshToken ?? credential.refreshToken });
    } catch (error) {
      if (isRefusal(error)) this.end('Your session is over. Sign in again.');
      throw error;
    }
  }

  private take(tokens: Pick<SessionTokens, 'access_token' | 'expires_in' | 'refresh_token'>): string {
    const renewAtMs = Date.now() + tokens.expires_in * 1_000 - renewBeforeMs;
    this.access = { token: tokens.access_token, renewAtMs };
    this.keep({ kind: 'session', refreshToken: tokens.refresh_token });
    return tokens.access_token;
  }

  private keep(credential: Credential | undefined): void {
    this.credential = credential;
    if (credential) sessionStorage.setItem(storageKey, JSON.stringify(credential));
    else sessionStorage.removeItem(storageKey);
  }

  private become(state: SessionState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}
