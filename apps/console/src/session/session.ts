/**
 * Who is signed in, in this tab: a person's session, whose refresh token is good for one use, or a pasted token. What lasts is kept in
 * the tab's sessionStorage and ends with it; access tokens are in memory only. Knows nothing of screens.
 */
import { SluiceClientError, createClient } from '#client/client';
import { ErrorCodeSchema, errorTable } from '#contracts/errors';
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
/** Set while this tab is at a sign-in provider: a link from elsewhere must not sign anyone in. */
const awayKey = 'sluice.signing-in';
const renewBeforeMs = 60_000;

const isRefusal = (error: unknown): error is SluiceClientError =>
  error instanceof SluiceClientError && error.status >= 400 && error.status < 500 && error.status !== 429;

function readStored(): Credential | undefined {
  const text = sessionStorage.getItem(storageKey);
  return text === null ? undefined : (JSON.parse(text) as Credential);
}

/** What a sign-in provider's way back has left in the address, which forgets it. */
function readReturn(): { readonly refreshToken: string | null; readonly error: string | null } | undefined {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const found = { refreshToken: fragment.get('refresh_token'), error: fragment.get('sign_in_error') };
  if (found.refreshToken === null && found.error === null) return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  const wasAway = sessionStorage.getItem(awayKey) !== null;
  sessionStorage.removeItem(awayKey);
  return wasAway ? found : undefined;
}

const failureText = (code: string | null): string | undefined => {
  const known = ErrorCodeSchema.safeParse(code);
  return known.success ? `${errorTable[known.data].title} (${known.data}).` : undefined;
};

export class Session {
  private credential = readStored();
  private access: AccessToken | undefined;
  private refreshing: Promise<string> | undefined;
  private readonly listeners = new Set<() => void>();
  private readonly client: ReturnType<typeof createClient>;
  state: SessionState = this.credential ? { kind: 'signed-in' } : { kind: 'signed-out', notice: undefined };

  constructor(private readonly baseUrl: string) {
    this.client = createClient({ baseUrl });
    const back = readReturn();
    if (back?.error) this.state = { kind: 'signed-out', notice: failureText(back.error) };
    if (!back?.refreshToken) return;
    this.keep({ kind: 'session', refreshToken: back.refreshToken });
    this.state = { kind: 'signed-in' };
  }

  /** Names of the providers by which one can sign in here. */
  async providers(): Promise<readonly string[]> {
    return (await this.client.signInProviders.names()).items.map(({ name }) => name);
  }

  /** Leaves for the provider, which leads back here. */
  leaveFor(provider: string): void {
    sessionStorage.setItem(awayKey, provider);
    location.assign(`/auth/${encodeURIComponent(provider)}/start?to=console`);
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
