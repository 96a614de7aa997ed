/** The console's files as the registry serves them: open, cached as they may be, under a strict policy, and nothing else with them. */
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Problem } from '#contracts/errors';
import { packageRoot } from '#platform/program';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

const folder = join(packageRoot, 'dist/apps/console');
const assets = readdirSync(join(folder, 'assets'));
const script = assets.find((name) => name.endsWith('.js')) ?? '';
const page = readFileSync(join(folder, 'index.html'), 'utf8');

/** `fetch` would tidy the path up before it is sent, and ask for no cached answer. */
const statusOf = (
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number | undefined; text: string }> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(registry.url);
    request({ hostname, port, path, headers }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve({ status: answer.statusCode, text }));
    })
      .on('error', reject)
      .end();
  });

describe('the page', () => {
  it.each(['/console', '/console/', '/console/quotas', '/console/activity?noun=version'])(
    'is what %s answers, asked for each time and with a strict policy',
    async (path) => {
      const answer = await registry.send('GET', path);
      expect(answer.status).toBe(200);
      expect(await answer.text()).toBe(page);
      expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(answer.headers.get('cache-control')).toBe('no-cache');
      const policy = answer.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
      expect(policy).not.toMatch(/unsafe|\*/);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    },
  );

  it('has no script or style in itself, and names files of this build', () => {
    expect(page).not.toMatch(/<style|style=|<script(?![^>]* src=)|javascript:/);
    const named = [...page.matchAll(/(?:src|href)="\/console\/assets\/([^"]+)"/g)].map(([, name]) => name);
    expect(named).toContain(script);
    expect(assets).toEqual(expect.arrayContaining(named));
  });

  it('answers 304 to who has it', async () => {
    const first = await registry.send('GET', '/console', { headers: { 'accept-encoding': 'br' } });
    const etag = first.headers.get('etag') ?? '';
    const headers = { 'if-none-match': etag, 'accept-encoding': 'br' };
    expect((await statusOf('/console', headers)).status).toBe(304);
  });
});

describe('an asset', () => {
  it.each(['br', 'gzip', 'identity'])('is kept for ever, and comes as %s', async (encoding) => {
    const answer = await registry.send('GET', `/console/assets/${script}`, {
      headers: { 'accept-encoding': encoding },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-encoding') ?? 'identity').toBe(encoding);
    expect(answer.headers.get('vary')).toBe('accept-encoding');
    expect(answer.headers.get('content-type')).toBe('application/javascript; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(await answer.text()).toBe(readFileSync(join(folder, 'assets', script), 'utf8'));
  });

  it('that is not there is no page in its place', async () => {
    const answer = await registry.send('GET', '/console/assets/gone.js');
    expect(Problem.parse(await answer.json()).code).toBe('NOT_FOUND');
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('is little: all scripts have at most 150 KB, gzipped', () => {
    const scripts = assets.filter((name) => name.endsWith('.js'));
    const sizes = scripts.map((name) => gzipSync(readFileSync(join(folder, 'assets', name))).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
  });
});

it('leads nowhere else: no way of writing ".." gets a file that is not the console’s', async () => {
  const ways = ['..', '%2e%2e', '.%2e', '..%2f', '..%5c', '%252e%252e', '....//'];
  for (const prefix of ['/console/', '/console/assets/'])
    for (const up of ways)
      for (const file of ['package.json', 'registry/src/main.js', 'etc/passwd']) {
        const { status, text } = await statusOf(`${prefix}${`${up}/`.repeat(3)}${file}`);
        const isPage = status === 200 && text === page;
        expect(isPage || (status !== undefined && status >= 400), `${prefix}${up}/${file}: ${status}`).toBe(
          true,
        );
        expect(text).not.toMatch(/"private": true|announceReady|root:/);
      }
});

it('opens nothing but itself: neighbours and other methods still need a token', async () => {
  for (const path of ['/', '/consol', '/consoles', '/console.html', '/console%2fquotas/../api/v1/models'])
    expect((await statusOf(path)).status, path).toBe(401);
  expect((await registry.send('POST', '/console/quotas')).status).toBe(401);
  expect((await registry.send('DELETE', `/console/assets/${script}`)).status).toBe(401);
});
