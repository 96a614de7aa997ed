/** The console in a real browser against the whole platform. Needs Chromium (Debian: `apt-get install chromium`). */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createClient } from '#client/client';
import { uploadVersion } from '#client/upload';
import { irisRequest } from '../support/iris.js';
import { oidcClient, startOidcServer } from '../support/oidc-server.js';
import type { OidcServer } from '../support/oidc-server.js';
import { startPlatform } from '../support/platform.js';
import type { Platform } from '../support/platform.js';
import { startProgram } from '../support/program.js';
import type { Program } from '../support/program.js';

let platform: Platform;
let secondGateway: Program;
let line: Line;
let browser: Browser;
let password: string;

const Secrets = z.object({ admin_password: z.string(), gateway_join_token: z.string() });

let front: Line;
let acme: OidcServer;

beforeAll(async () => {
  // The address that providers send browsers back to must be known before there is anything at it.
  front = await openLine(() => platform.gatewayUrl);
  platform = await startPlatform({
    env: { SLUICE_PUBLIC_URL: front.url, SLUICE_ISSUER_PRIVATE_ADDRESSES: 'true' },
  });
  acme = await startOidcServer([`${front.url}/auth/acme/callback`]);
  const secrets = Secrets.parse(JSON.parse(await readFile(join(platform.dataDir, 'secrets.json'), 'utf8')));
  password = secrets.admin_password;
  line = await openLine(() => platform.registryUrl);
  secondGateway = await startProgram('gateway/src/main', {
    SLUICE_REGISTRY_URL: line.url,
    SLUICE_GATEWAY_JOIN_TOKEN: secrets.gateway_join_token,
    SLUICE_GATEWAY_NAME: 'second',
    SLUICE_GATEWAY_PORT: '0',
    SLUICE_GATEWAY_ADMIN_PORT: '0',
    SLUICE_GATEWAY_LEAVE_GRACE_MS: '0',
    SLUICE_GATEWAY_DATA_DIR: join(platform.dataDir, 'second-gateway'),
  });
  // Containers seldom have the namespaces of Chromium's own sandbox.
  browser = await chromium.launch({ executablePath: chromiumPath(), args: ['--no-sandbox'] });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await secondGateway?.end();
  await line?.cut();
  await front?.cut();
  await acme?.close();
  await platform?.stop();
}, 30_000);

function chromiumPath(): string {
  const found = execFileSync('/bin/sh', [
    '-c',
    'command -v chromium || command -v chromium-browser || command -v google-chrome || true',
  ]);
  const path = found.toString().trim();
  if (path === '') throw new Error('There is no Chromium. On Debian: apt-get install chromium');
  return path;
}

/** A connection that can be cut. */
interface Line {
  readonly url: string;
  cut(): Promise<void>;
  mend(): Promise<void>;
}

async function openLine(to: () => string): Promise<Line> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    const { hostname, port } = new URL(to());
    const hop = connect(Number(port), hostname);
    for (const one of [socket, hop]) {
      sockets.add(one);
      one.on('error', () => undefined).on('close', () => sockets.delete(one));
    }
    socket.pipe(hop).pipe(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const own = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${own}`,
    cut: async () => {
      if (!server.listening) return;
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
    mend: async () => void (await once(server.listen(own, '127.0.0.1'), 'listening')),
  };
}

/** A browser of its own; `errors` are what its developer tools would show in red. */
async function openPage(options: BrowserContextOptions = {}): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  return { page, errors };
}

async function signIn(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByLabel('Login').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('navigation').waitFor();
}

const endpointCard = (page: Page, name: string) =>
  page.getByRole('listitem').filter({ has: page.getByRole('heading', { name, exact: true }) });
const quotaCard = (page: Page, name: string) => page.getByRole('article', { name });

describe('signing in', () => {
  it('says what is wrong with a password, with code and request id', async () => {
    const { page } = await openPage();
    await page.goto(`${platform.gatewayUrl}/console`);
    await page.getByLabel('Login').fill('admin');
    await page.getByLabel('Password', { exact: true }).fill('not the password');
    await page.keyboard.press('Enter');
    const alert = page.getByRole('alert');
    await alert.getByText('INVALID_CREDENTIALS').waitFor();
    expect(await alert.textContent()).toMatch(/Request [0-9a-f-]{36}/);
    await page.context().close();
  });

  it('leads to the address that was asked for, outlives a reload, and ends with signing out', async () => {
    const { page, errors } = await openPage();
    await signIn(page, `${platform.gatewayUrl}/console/activity`);
    await page.getByText('session.begin').first().waitFor();
    expect(page.url()).toBe(`${platform.gatewayUrl}/console/activity`);
    await page.reload();
    await page.getByText('session.begin').first().waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Login').waitFor();
    await page.reload();
    await page.getByLabel('Login').waitFor();
    expect(errors).toEqual([]);
    await page.context().close();
  });

  it('takes an API token, and shows as much as that may read', async () => {
    const { id, token } = await platform.admin.apiTokens.create({
      body: { name: 'screen', scopes: ['endpoints:read', 'models:read'], client_id: 'admin' },
    });
    const { page } = await openPage();
    await page.goto(`${platform.gatewayUrl}/console`);
    await page.getByRole('button', { name: 'API token' }).click();
    await page.getByLabel('API token or access token').fill(token);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await endpointCard(page, 'iris').getByText('readiness unknown').waitFor();
    await page.getByRole('alert').getByText('FORBIDDEN').waitFor();
    await platform.admin.apiTokens.revoke({ params: { api_token_id: id } });
    await page.reload();
    await page.getByText('The registry does not take your token any more').waitFor();
    await page.context().close();
  });

  it('leads through a provider and back, and says so when that vouches for nobody', async () => {
    await platform.admin.signInProviders.create({
      body: {
        name: 'acme',
        issuer: acme.issuer,
        ...oidcClient,
        scopes: ['openid', 'email', 'groups'],
        roles: { claim: 'groups', map: { all: [{ team: null, role: 'viewer' }] } },
      },
    });
    acme.groups.set('ada', ['all']);
    const { page } = await openPage();
    for (const account of ['nobody', 'ada']) {
      await page.context().clearCookies();
      await page.goto(`${front.url}/console`);
      await page.getByRole('button', { name: 'Sign in with acme' }).click();
      await page.locator('[name=login]').fill(account);
      await page.locator('[name=password]').fill('any');
      await page.locator('[type=submit]').click();
      await page.locator('[type=submit]').click();
      if (account === 'nobody') await page.getByText('(FORBIDDEN)').waitFor();
    }
    await endpointCard(page, 'iris').waitFor();
    expect(await page.getByRole('banner').textContent()).toContain('ada@example.org');
    expect(page.url()).toBe(`${front.url}/console/overview`);
    await page.reload();
    await endpointCard(page, 'iris').waitFor();
    await page.context().close();
  });

  it('takes no token from a link', async () => {
    const { refresh_token: token } = await createClient({ baseUrl: platform.gatewayUrl }).sessions.begin({
      body: { login: 'admin', password },
    });
    const { page } = await openPage();
    await page.goto(`${platform.gatewayUrl}/console/#refresh_token=${token}`);
    await page.getByLabel('Login').waitFor();
    expect(page.url()).not.toContain(token);
    await page.context().close();
  });
});

describe('what changes', () => {
  it('shows at once: split, readiness, nodes, and who did it', async () => {
    const { page, errors } = await openPage();
    await signIn(page, `${platform.gatewayUrl}/console/overview`);
    const card = endpointCard(page, 'iris');
    await card.getByText('serving').waitFor();
    expect(await card.textContent()).toMatch(/serving.*version 1.*90 %.*1 replica ready.*version 2.*10 %/);
    expect(await endpointCard(page, 'node-1').textContent()).toContain('READY');
    await page.getByRole('status').getByText('Live').waitFor();
    const { revision } = await platform.admin.endpoints.read({ params: { endpoint: 'iris' } });
    await platform.admin.endpoints.setTraffic({
      params: { endpoint: 'iris' },
      headers: { 'if-match': `"${revision}"` },
      body: {
        split: [
          { version: 1, weight: 25 },
          { version: 2, weight: 75 },
        ],
      },
    });
    await card.getByText('75 %').waitFor({ timeout: 5_000 });
    await page.getByRole('link', { name: 'Activity' }).click();
    await page.getByText('endpoint.set_traffic').first().click();
    await page.locator('pre').getByText('"weight": 75').waitFor();
    expect(errors).toEqual([]);
    await page.context().close();
  });
});

describe('a model', () => {
  it('shows its versions, what they take and give, and why one failed, as soon as that is known', async () => {
    await platform.admin.models.create({ body: { name: 'org/flowers 100%' } });
    const { page, errors } = await openPage();
    await signIn(page, `${platform.gatewayUrl}/console/models`);
    await page.getByRole('link', { name: 'org/flowers 100%' }).click();
    await page.getByText('It has no versions yet').waitFor();
    const source = new TextEncoder().encode('no model');
    await uploadVersion(platform.adminOptions, 'org/flowers 100%', [{ path: 'model.onnx', source }]);
    await endpointCard(page, 'Version 1').getByText('FAILED', { exact: true }).waitFor();
    await page.reload();
    expect(await endpointCard(page, 'Version 1').textContent()).toMatch(/FAILED\S.+by client:admin/);
    await page.getByRole('navigation').getByRole('link', { name: 'Models' }).click();
    await page.getByRole('link', { name: 'iris' }).click();
    expect(await endpointCard(page, 'Version 2').textContent()).toMatch(/READY.*x FP32\[n, 4\].* ms a run/);
    expect(errors).toEqual([]);
    await page.context().close();
  });
});

describe('quotas', () => {
  it('show what is used and reserved, and why a caller is refused', async () => {
    await platform.admin.quotas.create({
      body: { name: 'per-day', endpoint: 'iris', window: 'day', limit: 5 },
    });
    const caller = await platform.createCaller(['infer']);
    const { page, errors } = await openPage();
    await signIn(page, `${platform.gatewayUrl}/console/quotas`);
    const card = quotaCard(page, 'per-day');
    await card.getByText('5 requests a day').waitFor();
    expect(await card.textContent()).toMatch(
      /for each client, on iris.*outage: deny.*spend what they hold, then refuse/,
    );
    let refused = 0;
    while (refused === 0) refused += (await caller.infer('iris', irisRequest)).status === 429 ? 1 : 0;
    await card.getByText('used up').waitFor();
    await page.getByLabel('Client').fill(caller.clientId);
    await page.getByLabel('Endpoint').fill('iris');
    await page.keyboard.press('Enter');
    await page.getByText(/is refused by per-day/).waitFor();
    expect(errors).toEqual([]);
    await page.context().close();
  });

  it('say which outage policy is in force while a gateway is cut off, there and elsewhere, and when it is over', async () => {
    await platform.admin.quotas.create({
      body: { name: 'shared', endpoint: 'iris', window: 'hour', limit: 1_000, per_client: false },
    });
    const caller = await platform.createCaller(['infer']);
    const [there, elsewhere] = [(await openPage()).page, (await openPage()).page];
    await signIn(there, `${secondGateway.url}/console/quotas`);
    await signIn(elsewhere, `${platform.gatewayUrl}/console/quotas`);
    await quotaCard(there, 'shared')
      .getByText('All gateways that hold some of it reach the registry')
      .waitFor();
    const held = quotaCard(elsewhere, 'shared').getByText(/gateway [0-9a-f]{8} holds/);
    const token = await caller.token();
    do {
      const answer = await fetch(`${secondGateway.url}/v2/models/iris/infer`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(irisRequest),
      });
      await answer.body?.cancel();
    } while (!(await held.isVisible()));
    await line.cut();
    await there.getByText('The registry cannot be reached').waitFor();
    const policy = /In force now: the gateway that serves this page .* admits its share of the limit/;
    await quotaCard(there, 'shared').getByText(policy).waitFor();
    await there.getByRole('status').getByText('Polling').waitFor();
    // Leases last 30 s, and are renewed when half of that is over.
    await quotaCard(elsewhere, 'shared')
      .getByText(/did not renew in time/)
      .waitFor({ timeout: 35_000 });
    await line.mend();
    await there.getByRole('status').getByText('Live').waitFor();
    await quotaCard(there, 'shared').getByText(policy).waitFor({ state: 'detached' });
    for (const page of [there, elsewhere]) await page.context().close();
  }, 90_000);
});

describe('anyone', () => {
  const looks: [string, BrowserContextOptions][] = [
    ['in the light', { colorScheme: 'light' }],
    ['in the dark', { colorScheme: 'dark' }],
    ['on a phone', { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }],
  ];
  it.each(looks)(
    'can use every screen %s: no rule of WCAG 2.2 AA is broken, nothing is cut off',
    async (_, look) => {
      const { page } = await openPage(look);
      await page.goto(`${platform.gatewayUrl}/console`);
      await page.getByLabel('Login').waitFor();
      await expectAccessible(page, 'sign in');
      for (const screen of ['overview', 'models', 'quotas', 'activity']) {
        if (screen === 'overview') await signIn(page, `${platform.gatewayUrl}/console/${screen}`);
        else await page.getByRole('navigation').getByRole('link', { name: screen }).click();
        await page.locator('main .card').first().waitFor();
        await expectAccessible(page, screen);
      }
      await page.context().close();
    },
  );

  it('can go around by keyboard alone', async () => {
    const { page } = await openPage();
    await signIn(page, `${platform.gatewayUrl}/console/overview`);
    await page.reload();
    await page.getByRole('navigation').waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to content');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Models', level: 1 }).waitFor();
    await page.context().close();
  });
});

async function expectAccessible(page: Page, screen: string): Promise<void> {
  await page.evaluate(axe.source);
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const violations = await page.evaluate(
    `axe.run({ runOnly: ${JSON.stringify(tags)} }).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`,
  );
  expect(violations, screen).toEqual([]);
  expect(
    await page.evaluate('document.documentElement.scrollWidth - innerWidth'),
    screen,
  ).toBeLessThanOrEqual(0);
}
