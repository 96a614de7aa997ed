/** Signing in by an OpenID Connect provider, a real one: from its door to a session, and everything that must not lead there. */
import { SessionTokens } from '#contracts/people';
import type { CreateProvider } from '#contracts/providers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { Browser, oidcClient, startOidcServer } from '../support/oidc-server.js';
import type { OidcServer } from '../support/oidc-server.js';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

const publicUrl = 'http://sluice.example';
const backTo = `${publicUrl}/auth/acme/callback`;

let registry: TestRegistry;
let acme: OidcServer;
beforeAll(async () => {
  registry = await startRegistry({
    SLUICE_ISSUER_PRIVATE_ADDRESSES: 'true',
    SLUICE_PUBLIC_URL: publicUrl,
    SLUICE_MASTER_KEY: 'master-key-of-the-tests-0123456789',
  });
  acme = await startOidcServer([backTo, `${publicUrl}/auth/plain/callback`]);
  for (const name of ['red', 'blue']) await registry.admin.teams.create({ body: { name } });
  await registry.admin.signInProviders.create({ body: terms('acme') });
});
afterAll(async () => {
  await acme.close();
  await registry.close();
});

const terms = (name: string): z.input<typeof CreateProvider> => ({
  name,
  issuer: acme.issuer,
  ...oidcClient,
  scopes: ['openid', 'email', 'groups'],
  roles: {
    claim: 'groups',
    map: {
      'red-readers': [{ team: 'red', role: 'viewer' }],
      'red-leads': [{ team: 'red', role: 'admin' }],
      everyone: [{ team: 'blue', role: 'publisher' }],
    },
  },
});

/** What the browser is sent to stands at the registry's own address in these tests. */
const here = (url: string): string => url.replace(publicUrl, registry.url);

async function start(browser: Browser, provider = 'acme'): Promise<string> {
  const answer = await browser.open(`${registry.url}/auth/${provider}/start`);
  expect(answer.status).toBe(302);
  return answer.headers.get('location') ?? '';
}

/** Where the provider sends the browser after the account has signed in there. */
const comeBack = async (browser: Browser, account: string): Promise<string> =>
  here(await browser.signInAt(await start(browser), account, backTo));

async function signIn(account: string, groups: string[]): Promise<Response> {
  acme.groups.set(account, groups);
  const browser = new Browser();
  return browser.open(await comeBack(browser, account));
}

async function codeOf(answer: Response): Promise<unknown> {
  const body = (await answer.json()) as { code?: string };
  return body.code ?? answer.status;
}

describe('signing in by a provider', () => {
  it('makes the person at the first time, with the roles that the claims map to, and a session like any other', async () => {
    const answer = await signIn('ada', ['red-readers', 'everyone', 'unmapped']);
    expect(answer.status).toBe(200);
    const tokens = SessionTokens.parse(await answer.json());
    const me = await registry.clientWith(tokens.access_token).sessions.me();
    expect(me).toMatchObject({
      subject: 'person:ada@example.org',
      person: {
        provider: 'acme',
        has_password: false,
        roles: [
          { team: 'red', role: 'viewer' },
          { team: 'blue', role: 'publisher' },
        ],
      },
    });
    const body = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token } as const;
    await expect(registry.clientWith('').auth.token({ body })).resolves.toBeDefined();
    const audit = await registry.admin.audit.list({ query: { subject_prefix: 'people/ada@example.org' } });
    expect(audit.items.map(({ action, actor }) => `${actor} ${action}`)).toEqual([
      'person:ada@example.org session.begin',
      'provider:acme person.create',
    ]);
  });

  it('gives the roles anew each time, the highest of a team, and none if the claims give none', async () => {
    await signIn('bob', ['red-readers']);
    const tokens = SessionTokens.parse(await (await signIn('bob', ['red-leads', 'red-readers'])).json());
    const me = await registry.clientWith(tokens.access_token).sessions.me();
    expect(me.person?.roles).toEqual([{ team: 'red', role: 'admin' }]);
    expect(await codeOf(await signIn('bob', []))).toBe('FORBIDDEN');
    const audit = await registry.admin.audit.list({
      query: { action: 'person.update', actor: 'provider:acme' },
    });
    expect(audit.items[0]).toMatchObject({
      before: { roles: [{ team: 'red', role: 'viewer' }] },
      after: { roles: [{ team: 'red', role: 'admin' }] },
    });
  });

  it('asks the provider with state, nonce and PKCE, each time others', async () => {
    const [one, two] = [new URL(await start(new Browser())), new URL(await start(new Browser()))];
    expect(one.searchParams.get('code_challenge_method')).toBe('S256');
    for (const name of ['state', 'nonce', 'code_challenge']) {
      expect(one.searchParams.get(name)).toMatch(/^[\w-]{43,}$/);
      expect(one.searchParams.get(name)).not.toBe(two.searchParams.get(name));
    }
    expect(one.searchParams.get('redirect_uri')).toBe(backTo);
  });

  it('is good once, and only in the browser that began it', async () => {
    acme.groups.set('eve', ['everyone']);
    const victim = new Browser();
    const url = await comeBack(victim, 'eve');
    expect(await codeOf(await new Browser().open(url))).toBe('INVALID_GRANT');
    expect((await victim.open(url)).status).toBe(200);
    expect(await codeOf(await victim.open(url))).toBe('INVALID_GRANT');
  });

  it('leads to the console when it was begun there: a token that is good once, or the code of a failure', async () => {
    const comeBackTo = async (browser: Browser, account: string): Promise<string> => {
      const begun = await browser.open(`${registry.url}/auth/acme/start?to=console`);
      const url = await browser.signInAt(begun.headers.get('location') ?? '', account, backTo);
      const answer = await browser.open(here(url));
      expect({ status: answer.status, body: await answer.text() }).toEqual({ status: 303, body: '' });
      expect(answer.headers.get('cache-control')).toBe('no-store');
      return answer.headers.get('location') ?? '';
    };
    acme.groups.set('fay', ['everyone']);
    const back = new URL(await comeBackTo(new Browser(), 'fay'), publicUrl);
    expect(`${back.origin}${back.pathname}${back.search}`).toBe(`${publicUrl}/console/`);
    const refreshToken = new URLSearchParams(back.hash.slice(1)).get('refresh_token') ?? '';
    const body = { grant_type: 'refresh_token', refresh_token: refreshToken } as const;
    await expect(registry.clientWith('').auth.token({ body })).resolves.toBeDefined();
    await expect(registry.clientWith('').auth.token({ body })).rejects.toMatchObject({
      code: 'INVALID_GRANT',
    });
    expect(await comeBackTo(new Browser(), 'nobody')).toBe('/console/#sign_in_error=FORBIDDEN');
    const elsewhere = await new Browser().open(`${registry.url}/auth/acme/start?to=https://evil.example`);
    expect(await codeOf(elsewhere)).toBe('INVALID_REQUEST');
  });

  it('refuses what did not come from this provider to this sign-in', async () => {
    const [browser, other] = [new Browser(), new Browser()];
    const mine = new URL(await comeBack(browser, 'eve'));
    const theirs = new URL(await comeBack(other, 'eve'));
    const swapped = new URL(mine);
    swapped.searchParams.set('code', theirs.searchParams.get('code') ?? '');
    // PKCE: the code belongs to another sign-in.
    expect(await codeOf(await browser.open(swapped.href))).toBe('PROVIDER_FAILED');
    const made = new URL(theirs);
    made.searchParams.set('code', 'made-up');
    expect(await codeOf(await other.open(made.href))).toBe('PROVIDER_FAILED');
    const denied = new Browser();
    const { searchParams } = new URL(await start(denied));
    const query = new URLSearchParams({
      error: 'access_denied',
      state: searchParams.get('state') ?? '',
      iss: acme.issuer,
    });
    expect(await codeOf(await denied.open(`${registry.url}/auth/acme/callback?${query.toString()}`))).toBe(
      'PROVIDER_FAILED',
    );
    expect(await codeOf(await new Browser().open(`${registry.url}/auth/acme/callback?state=x&code=y`))).toBe(
      'INVALID_GRANT',
    );
    expect(await codeOf(await new Browser().open(`${registry.url}/auth/acme/callback`))).toBe(
      'INVALID_REQUEST',
    );
  });

  it('does not make someone the owner of a login that is here already, nor of an unchecked address', async () => {
    const body = { login: 'boss@example.org', password: 'a password of the tests', roles: [] };
    await registry.admin.people.create({ body });
    expect(await codeOf(await signIn('boss', ['red-leads']))).toBe('ALREADY_EXISTS');
    expect(await codeOf(await signIn('unverified', ['red-leads']))).toBe('FORBIDDEN');
  });

  it('is closed to the disabled, and by a disabled or unknown provider', async () => {
    await signIn('mallory', ['everyone']);
    await registry.admin.people.disable({ params: { login: 'mallory@example.org' } });
    expect(await codeOf(await signIn('mallory', ['everyone']))).toBe('PERSON_DISABLED');
    const params = { provider: 'acme' };
    await registry.admin.signInProviders.update({ params, body: { disabled: true } });
    expect(await codeOf(await new Browser().open(`${registry.url}/auth/acme/start`))).toBe(
      'PROVIDER_NOT_FOUND',
    );
    expect((await registry.clientWith('').signInProviders.names()).items).toEqual([]);
    await registry.admin.signInProviders.update({ params, body: { disabled: false } });
    expect(await codeOf(await new Browser().open(`${registry.url}/auth/nobody/start`))).toBe(
      'PROVIDER_NOT_FOUND',
    );
  });
});

describe('a provider', () => {
  it('keeps its secret sealed, and shows where to send browsers back to', async () => {
    const { items } = await registry.admin.signInProviders.list();
    expect(items[0]).toMatchObject({ name: 'acme', has_secret: true, redirect_uri: backTo });
    const dump = await registry.dataSource.query<{ row: string }[]>(
      'SELECT sign_in_providers::text AS row FROM sign_in_providers UNION ALL SELECT audit_entries::text FROM audit_entries',
    );
    expect(dump.some(({ row }) => row.includes(oidcClient.client_secret))).toBe(false);
  });

  it('that cannot be reached is told apart from a wrong sign-in', async () => {
    const body = { ...terms('away'), issuer: 'http://127.0.0.1:1' };
    await registry.admin.signInProviders.create({ body });
    const answer = await new Browser().open(`${registry.url}/auth/away/start`);
    expect(answer.status).toBe(502);
    expect(await codeOf(answer)).toBe('PROVIDER_FAILED');
    await registry.admin.signInProviders.remove({ params: { provider: 'away' } });
  });

  it('is set up by admins only', async () => {
    const clerk = await registry.caller('people:write', 'clients:write');
    const create = clerk.client.signInProviders.create({ body: terms('mine') });
    await expect(create).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const again = registry.admin.signInProviders.create({ body: terms('acme') });
    await expect(again).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });
});
