/** Guessing secrets: slowed down per name and address, counted over all registries, told in one shape. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

/** Failures at once that one name has at one address. */
const allowed = 20;
const password = 'a password of the tests';

let registry: TestRegistry;
let twin: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  twin = await openRegistry(registry.databaseUrl, {});
  for (const login of ['ada', 'bob', 'eve'])
    await registry.admin.people.create({ body: { login, password } });
});
afterAll(async () => {
  await twin.close();
  await registry.close();
});

/** The registry believes the header of a proxy on its own machine. */
const signIn = (at: TestRegistry, login: string, secret: string, address: string): Promise<Response> =>
  at.send('POST', '/api/v1/sessions', {
    headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
    body: JSON.stringify({ login, password: secret }),
  });
const askToken = (
  at: TestRegistry,
  client_id: string,
  client_secret: string,
  address: string,
): Promise<Response> =>
  at.send('POST', '/oauth/token', {
    headers: { 'x-forwarded-for': address },
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret }),
  });

async function countsOf(calls: Promise<Response>[]): Promise<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (const { status } of await Promise.all(calls)) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

describe.each([
  ['a password', signIn, 'ada'],
  ['a client secret', askToken, 'ghost'],
] as const)('guessing %s', (_, guess, name) => {
  it('is cut off, exactly, however many guess at once and at whatever registry', async () => {
    const guesses = Array.from({ length: 3 * allowed }, (_, i) =>
      guess(i % 2 === 0 ? registry : twin, name, `guess ${i}`, '203.0.113.1'),
    );
    const counts = await countsOf(guesses);
    expect(counts[401]).toBeGreaterThanOrEqual(allowed);
    // One comes back every six seconds, and the machine may be slow.
    expect(counts[401]).toBeLessThanOrEqual(allowed + 3);
    expect((counts[401] ?? 0) + (counts[429] ?? 0)).toBe(3 * allowed);
  });

  it('is told when to try again, in one shape', async () => {
    let answer = await guess(twin, name, 'one more', '203.0.113.1');
    while (answer.status === 401) answer = await guess(twin, name, 'one more', '203.0.113.1');
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await answer.json()).toMatchObject({ code: 'TOO_MANY_ATTEMPTS', status: 429, retryable: true });
  });
});

it('does not lock out the owner of the name at another address', async () => {
  await Promise.all(
    Array.from({ length: allowed + 5 }, (_, i) => signIn(registry, 'bob', `guess ${i}`, '203.0.113.2')),
  );
  expect((await signIn(registry, 'bob', password, '203.0.113.2')).status).toBe(429);
  expect((await signIn(registry, 'bob', password, '198.51.100.7')).status).toBe(201);
});

it('costs those nothing who know their secret, however often they use it', async () => {
  const { clientId, secret } = await registry.caller('infer');
  for (let i = 0; i < allowed + 10; i += 1)
    expect((await askToken(registry, clientId, secret, '203.0.113.3')).status).toBe(200);
  for (let i = 0; i < allowed + 5; i += 1)
    expect((await signIn(registry, 'eve', password, '203.0.113.3')).status).toBe(201);
});

it('bounds one address over all names', async () => {
  await registry.dataSource.query(
    `INSERT INTO sign_in_attempts (key, remaining, at) VALUES ('address 203.0.113.4', 0, clock_timestamp() + interval '1 minute')`,
  );
  expect((await signIn(registry, 'anyone', 'x', '203.0.113.4')).status).toBe(429);
  expect((await askToken(registry, 'anything', 'x', '203.0.113.4')).status).toBe(429);
  const refresh = await registry.send('POST', '/oauth/token', {
    headers: { 'x-forwarded-for': '203.0.113.4' },
    body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'x' }),
  });
  expect(refresh.status).toBe(429);
});
