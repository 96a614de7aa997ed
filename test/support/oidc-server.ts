/** A real OpenID Connect provider (oidc-provider) on a socket, and a browser that signs in at it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';

export interface OidcServer {
  readonly issuer: string;
  /** The groups of each account, by its id; `email` and the rest are made of the id. */
  readonly groups: Map<string, string[]>;
  close(): Promise<void>;
}

export const oidcClient = { client_id: 'sluice', client_secret: 'the-secret-of-sluice-at-the-provider' };

export async function startOidcServer(redirectUris: string[]): Promise<OidcServer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const groups = new Map<string, string[]>();
  const provider = new Provider(issuer, {
    clients: [
      { ...oidcClient, redirect_uris: redirectUris, token_endpoint_auth_method: 'client_secret_post' },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
    scopes: ['openid', 'email', 'groups'],
    cookies: { keys: ['cookie-key-of-the-tests'] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: true } },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        email: `${id}@Example.org`,
        email_verified: !id.startsWith('unverified'),
        groups: groups.get(id) ?? [],
      }),
    }),
  });
  const handle = provider.callback();
  server.on('request', (request, response) => void handle(request, response));
  return {
    issuer,
    groups,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Keeps cookies by host, and follows no redirect by itself. */
export class Browser {
  private readonly jars = new Map<string, Map<string, string>>();

  async open(url: string, form?: Record<string, string>): Promise<Response> {
    const { host } = new URL(url);
    const jar = this.jars.get(host) ?? new Map<string, string>();
    this.jars.set(host, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie },
      ...(form ? { method: 'POST', body: new URLSearchParams(form) } : {}),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const cut = pair.indexOf('=');
      if (pair.slice(cut + 1) === '') jar.delete(pair.slice(0, cut));
      else jar.set(pair.slice(0, cut), pair.slice(cut + 1));
    }
    return response;
  }

  /** From the provider's door to the address that it sends the browser back to. */
  async signInAt(authorizationUrl: string, account: string, backTo: string): Promise<string> {
    let url = authorizationUrl;
    for (let hop = 0; hop < 12; hop += 1) {
      const isForm = new URL(url).pathname.startsWith('/interaction/');
      const prompt = isForm ? await this.promptAt(url) : undefined;
      const answer = prompt
        ? await this.open(url, { prompt, ...(prompt === 'login' ? { login: account, password: 'any' } : {}) })
        : await this.open(url);
      const location = answer.headers.get('location');
      if (location === null)
        throw new Error(`the provider answered ${answer.status}: ${await answer.text()}`);
      url = new URL(location, url).href;
      if (url.startsWith(backTo)) return url;
    }
    throw new Error('the provider sends the browser in circles');
  }

  private async promptAt(url: string): Promise<string> {
    const page = await (await this.open(url)).text();
    return /name="prompt" value="(\w+)"/.exec(page)?.[1] ?? 'login';
  }
}
