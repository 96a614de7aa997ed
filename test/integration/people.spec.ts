/** People: accounts, roles in teams, sessions, and what of it reaches a gateway that follows the registry. */
import { TokenClaims } from '#contracts/clients';
import type { SessionTokens } from '#contracts/people';
import type { RoleGrant } from '#contracts/roles';
import { SluiceClientError } from '#client/client';
import type { SluiceClient } from '#client/client';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import { IdentitySweeper } from '../../apps/registry/src/auth/identity-sweeper.js';
import { gatewayJoinToken, openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { cleanUp, startTestGateway } from './gateway-harness.js';

const rootPassword = 'the first admin’s password';
let registry: TestRegistry;
let gateway: Gateway;
let root: SluiceClient;
beforeAll(async () => {
  registry = await startRegistry({ SLUICE_ADMIN_LOGIN: 'root', SLUICE_ADMIN_PASSWORD: rootPassword });
  gateway = await startTestGateway(registry.url, { SLUICE_GATEWAY_JOIN_TOKEN: gatewayJoinToken });
  await gateway.ready;
  root = registry.clientWith((await signIn('root', rootPassword)).access_token);
  for (const name of ['red', 'blue']) await root.teams.create({ body: { name } });
});
afterAll(async () => {
  await cleanUp();
  await registry.close();
});

const password = 'a password of the tests';
const open = (): SluiceClient => registry.clientWith('');
const signIn = (login: string, secret = password): Promise<SessionTokens> =>
  open().sessions.begin({ body: { login, password: secret } });
const refresh = (token: string) =>
  open().auth.token({ body: { grant_type: 'refresh_token', refresh_token: token } });

let people = 0;
async function makePerson(
  ...roles: RoleGrant[]
): Promise<{ login: string; client: SluiceClient; tokens: SessionTokens }> {
  const login = `person-${(people += 1)}@example.org`;
  await root.people.create({ body: { login, password, roles } });
  const tokens = await signIn(login);
  return { login, tokens, client: registry.clientWith(tokens.access_token) };
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  const failure: unknown = await call.then(
    () => 'OK',
    (error: unknown) => error,
  );
  return failure instanceof SluiceClientError ? (failure.code ?? String(failure.status)) : String(failure);
}

/** The code of the gateway's answer. There are no endpoints, so whoever may call gets ENDPOINT_NOT_FOUND. */
async function infer(token: string): Promise<string | null> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(`${gateway.url}/v2/models/iris/infer`, {
    method: 'POST',
    headers,
    body: '{}',
  });
  await response.body?.cancel();
  return response.headers.get('x-sluice-code');
}

/** Asks until the gateway refuses the token, which must be within the promised two seconds. */
async function refusedSoon(token: string, code: string): Promise<void> {
  const changedAtMs = performance.now();
  let last = await infer(token);
  while (last !== code && performance.now() - changedAtMs < 2_000) last = await infer(token);
  expect(last).toBe(code);
}

describe('a person', () => {
  it('signs in with a password that is kept as argon2id only, and is told who it is', async () => {
    const { login, client } = await makePerson({ team: 'red', role: 'publisher' });
    const me = await client.sessions.me();
    expect(me).toMatchObject({
      subject: `person:${login}`,
      person: { login, has_password: true, disabled_at: null },
    });
    expect(me.scopes).toContain('models:write');
    expect(me.scopes).not.toContain('endpoints:write');
    const dump = await registry.dataSource.query<{ row: string }[]>(
      'SELECT people::text AS row FROM people UNION ALL SELECT audit_entries::text FROM audit_entries UNION ALL SELECT events::text FROM events',
    );
    expect(dump.some(({ row }) => row.includes(password))).toBe(false);
    expect(dump.filter(({ row }) => row.includes('$argon2id$'))).toHaveLength(people + 1);
  });

  it('is refused alike with a wrong password, an unknown login, and no password at all', async () => {
    const { login } = await makePerson();
    await root.people.create({ body: { login: 'no-password', roles: [] } });
    const answers = await Promise.all(
      [login, 'nobody-at-all', 'no-password', 'UPPER', 'zero\0byte', ''].map(async (name) => {
        const body = JSON.stringify({ login: name, password: 'wrong' });
        const headers = { 'content-type': 'application/json', 'x-request-id': 'same' };
        const answer = await registry.send('POST', '/api/v1/sessions', { body, headers });
        return [answer.status, await answer.text()];
      }),
    );
    expect(new Set(answers.map(String)).size).toBe(1);
    expect(answers[0]?.[0]).toBe(401);
  });

  it('takes as long to refuse whether the login exists or not', async () => {
    const { login } = await makePerson();
    const medianMs = async (name: string): Promise<number> => {
      const times: number[] = [];
      for (let i = 0; i < 9; i += 1) {
        const startedAtMs = performance.now();
        await signIn(name, 'wrong').catch(() => undefined);
        times.push(performance.now() - startedAtMs);
      }
      return times.toSorted((a, b) => a - b)[4] ?? 0;
    };
    const [known, unknown] = [await medianMs(login), await medianMs('nobody-knows-me')];
    // A lookup alone takes a tenth of it.
    expect(Math.max(known, unknown) / Math.min(known, unknown)).toBeLessThan(3);
  });

  it('changes its own password with the old one; its other sessions end', async () => {
    const { login, client } = await makePerson();
    const other = await signIn(login);
    const change = (old_password: string) =>
      client.sessions.changePassword({ body: { old_password, new_password: 'another long password' } });
    expect(await codeOf(change('wrong'))).toBe('INVALID_CREDENTIALS');
    await change(password);
    expect(await codeOf(signIn(login))).toBe('INVALID_CREDENTIALS');
    await expect(signIn(login, 'another long password')).resolves.toBeDefined();
    expect(await codeOf(refresh(other.refresh_token))).toBe('INVALID_GRANT');
    await expect(client.sessions.me()).resolves.toBeDefined();
  });

  it('must have a password of some length, a login of the right form, and one role in a team', async () => {
    const create = (body: object) => codeOf(root.people.create({ body: { login: 'newcomer', ...body } }));
    expect(await create({ password: 'short' })).toBe('INVALID_REQUEST');
    expect(await create({ login: 'Ada Lovelace' })).toBe('INVALID_REQUEST');
    expect(await create({ login: 'root' })).toBe('ALREADY_EXISTS');
    expect(await create({ roles: [{ team: 'nobody', role: 'viewer' }] })).toBe('TEAM_NOT_FOUND');
    const twice = [
      { team: 'red', role: 'viewer' },
      { team: 'red', role: 'admin' },
    ];
    expect(await create({ roles: twice })).toBe('INVALID_REQUEST');
  });

  it('that the environment names is made once', async () => {
    const second = await openRegistry(registry.databaseUrl, {
      SLUICE_ADMIN_LOGIN: 'root',
      SLUICE_ADMIN_PASSWORD: 'another password, ignored',
    });
    await second.close();
    await expect(signIn('root', rootPassword)).resolves.toBeDefined();
    expect((await root.sessions.me()).scopes).toContain('admin');
  });

  it('is changed, disabled and enabled with an audit entry each, before and after', async () => {
    const { login } = await makePerson();
    const params = { login };
    await root.people.update({ params, body: { name: 'Ada' } });
    await root.people.disable({ params });
    await root.people.enable({ params });
    const { items } = await root.audit.list({ query: { subject_prefix: `people/${login}` } });
    expect(items.filter(({ action }) => action.startsWith('person.'))).toMatchObject([
      { action: 'person.enable', before: { disabled_at: expect.any(String) }, after: { disabled_at: null } },
      { action: 'person.disable', before: { disabled_at: null }, after: { disabled_at: expect.any(String) } },
      { action: 'person.update', before: { name: login }, after: { name: 'Ada' }, actor: 'person:root' },
      { action: 'person.create', before: null, after: { login } },
    ]);
  });
});

describe('a session', () => {
  it('gives an access token that works at the registry and the gateway', async () => {
    const { login, tokens } = await makePerson({ team: 'blue', role: 'publisher' });
    expect(TokenClaims.parse(decodeJwt(tokens.access_token))).toMatchObject({
      sub: `person:${login}`,
      team: 'blue',
    });
    expect(await infer(tokens.access_token)).toBe('ENDPOINT_NOT_FOUND');
    const viewer = await makePerson({ team: 'blue', role: 'viewer' });
    expect(await infer(viewer.tokens.access_token)).toBe('FORBIDDEN');
  });

  it('goes on by refresh tokens, each good for one use and kept as a hash', async () => {
    const { tokens } = await makePerson({ team: null, role: 'viewer' });
    const second = await refresh(tokens.refresh_token);
    const third = await refresh(second.refresh_token ?? '');
    expect(await codeOf(registry.clientWith(third.access_token).models.list())).toBe('OK');
    const rows = await registry.dataSource.query<{ row: string }[]>(
      'SELECT refresh_tokens::text AS row FROM refresh_tokens',
    );
    expect(rows.some(({ row }) => row.includes(third.refresh_token ?? ''))).toBe(false);
  });

  it('ends, with all of its tokens, when a refresh token comes a second time', async () => {
    const { login, tokens } = await makePerson({ team: null, role: 'publisher' });
    const second = await refresh(tokens.refresh_token);
    expect(await codeOf(refresh(tokens.refresh_token))).toBe('INVALID_GRANT');
    expect(await codeOf(refresh(second.refresh_token ?? ''))).toBe('INVALID_GRANT');
    expect(await codeOf(registry.clientWith(second.access_token).models.list())).toBe('UNAUTHENTICATED');
    await refusedSoon(second.access_token, 'UNAUTHENTICATED');
    const query = { subject_prefix: `people/${login}/`, action: 'session.refresh_token_reused' };
    expect((await root.audit.list({ query })).items).toHaveLength(1);
  });

  it('has one winner when a refresh token is used twice at once, and then none', async () => {
    const { tokens } = await makePerson();
    const codes = await Promise.all([1, 2, 3].map(() => codeOf(refresh(tokens.refresh_token))));
    expect(codes.filter((code) => code === 'OK')).toHaveLength(1);
    expect(codes.filter((code) => code === 'INVALID_GRANT')).toHaveLength(2);
  });

  it('ends by signing out, at the gateways too', async () => {
    const { client, tokens } = await makePerson({ team: null, role: 'publisher' });
    await client.sessions.end();
    expect(await codeOf(client.sessions.me())).toBe('UNAUTHENTICATED');
    expect(await codeOf(refresh(tokens.refresh_token))).toBe('INVALID_GRANT');
    await refusedSoon(tokens.access_token, 'UNAUTHENTICATED');
  });

  it('ends when an admin ends it, sets the password or disables the person', async () => {
    const ways = [
      (login: string) => root.people.signOut({ params: { login } }),
      (login: string) => root.people.update({ params: { login }, body: { password: 'set by an admin' } }),
      (login: string) => root.people.disable({ params: { login } }),
    ];
    for (const way of ways) {
      const { login, client, tokens } = await makePerson();
      await way(login);
      expect(['UNAUTHENTICATED', 'PERSON_DISABLED']).toContain(await codeOf(client.sessions.me()));
      expect(await codeOf(refresh(tokens.refresh_token))).toBe('INVALID_GRANT');
    }
  });

  it('of a disabled person is refused everywhere within two seconds', async () => {
    const { login, tokens } = await makePerson({ team: null, role: 'publisher' });
    expect(await infer(tokens.access_token)).toBe('ENDPOINT_NOT_FOUND');
    await root.people.disable({ params: { login } });
    await refusedSoon(tokens.access_token, 'PERSON_DISABLED');
    expect(await codeOf(signIn(login))).toBe('PERSON_DISABLED');
    expect(await codeOf(signIn(login, 'wrong'))).toBe('INVALID_CREDENTIALS');
  });

  it('is swept away when nobody can ask for it any more', async () => {
    const { client } = await makePerson();
    await client.sessions.end();
    await registry.dataSource.query(
      `UPDATE sessions SET ended_at = now() - interval '1 day' WHERE ended_at IS NOT NULL`,
    );
    await registry.app.get(IdentitySweeper).sweep();
    expect(await registry.dataSource.query('SELECT 1 FROM sessions WHERE ended_at IS NOT NULL')).toEqual([]);
  });
});

describe('roles', () => {
  it('end where the team ends', async () => {
    const { client } = await makePerson({ team: 'red', role: 'operator' });
    const create = (team: string, scopes: string[]) =>
      codeOf(
        client.clients.create({
          body: { name: 'x', client_id: `${team}-${scopes.join('-').replaceAll(':', '.')}`, team, scopes },
        }),
      );
    expect(await create('red', ['infer'])).toBe('OK');
    expect(await create('blue', ['infer'])).toBe('FORBIDDEN');
    // A client's scopes hold in every team: who holds these in one team cannot give them.
    expect(await create('red', ['clients:write'])).toBe('FORBIDDEN');
    expect(await create('red', ['quotas:write'])).toBe('FORBIDDEN');
    const { client_id } = await root.clients.create({
      body: { name: 'blue one', team: 'blue', scopes: ['infer'] },
    });
    for (const call of ['disable', 'enable', 'rotateSecret', 'revokeTokens'] as const)
      expect(await codeOf(client.clients[call]({ params: { client_id } }))).toBe('CLIENT_NOT_FOUND');
    expect((await client.clients.list()).items.map(({ team }) => team)).toEqual(['red']);
    expect((await client.teams.list()).items.map(({ name }) => name)).toEqual(['red']);
  });

  it('show the quotas and the usage of the own team, and let its admin set the quotas of its clients only', async () => {
    const make = (team: string) => root.clients.create({ body: { name: 'x', team, scopes: ['infer'] } });
    const [mine, theirs] = [await make('red'), await make('blue')];
    const body = { window: 'minute', limit: 10 } as const;
    const all = await root.quotas.create({ body: { ...body, name: 'all' } });
    const blue = await root.quotas.create({ body: { ...body, name: 'blue', team: 'blue' } });
    const red = await root.quotas.create({ body: { ...body, name: 'red', team: 'red' } });
    const { client } = await makePerson({ team: 'red', role: 'admin' });
    let made = 0;
    const create = (of: object) =>
      codeOf(client.quotas.create({ body: { ...body, name: `made-${(made += 1)}`, ...of } }));
    expect(await create({ client_id: mine.client_id })).toBe('OK');
    expect(await create({ client_id: theirs.client_id })).toBe('FORBIDDEN');
    expect(await create({ team: 'red' })).toBe('FORBIDDEN');
    expect(await create({})).toBe('FORBIDDEN');
    const change = (id: string) =>
      codeOf(client.quotas.update({ params: { quota_id: id }, body: { limit: 1_000 } }));
    expect([await change(red.id), await change(blue.id), await change(all.id)]).toEqual([
      'FORBIDDEN',
      'QUOTA_NOT_FOUND',
      'QUOTA_NOT_FOUND',
    ]);
    expect(await codeOf(client.quotas.remove({ params: { quota_id: blue.id } }))).toBe('QUOTA_NOT_FOUND');
    const read = (id: string) => codeOf(client.quotas.read({ params: { quota_id: id } }));
    expect([await read(red.id), await read(blue.id)]).toEqual(['OK', 'QUOTA_NOT_FOUND']);
    const readClient = ({ client_id }: { client_id: string }) =>
      codeOf(client.clients.read({ params: { client_id } }));
    expect([await readClient(mine), await readClient(theirs)]).toEqual(['OK', 'CLIENT_NOT_FOUND']);
    const { items } = await client.quotas.list();
    expect(items.map((quota) => quota.client_id ?? quota.team).toSorted()).toEqual(
      [mine.client_id, 'red'].toSorted(),
    );
    expect((await client.quotas.list({ query: { team: 'blue' } })).items).toEqual([]);
    const explain = (client_id: string) => codeOf(client.quotas.explain({ query: { client_id } }));
    expect([await explain(mine.client_id), await explain(theirs.client_id)]).toEqual([
      'OK',
      'CLIENT_NOT_FOUND',
    ]);
    const query = { from: '2026-01-01T00:00:00Z', to: '2026-02-01T00:00:00Z', group_by: 'team' };
    await registry.dataSource.query(
      `INSERT INTO usage_hours (hour, team, client_id, endpoint, version, outcome, requests, request_bytes, response_bytes, rows, compute_us)
       SELECT '2026-01-05T00:00:00Z', team, 'x', 'iris', 1, 'success', 7, 0, 0, 0, 0 FROM unnest(ARRAY['red', 'blue']) AS team`,
    );
    expect((await client.usage.read({ query })).items).toMatchObject([{ team: 'red', requests: 7 }]);
    const statement = (team: string) =>
      codeOf(client.usage.statement({ params: { team, month: '2026-01' } }));
    expect([await statement('red'), await statement('blue')]).toEqual(['OK', 'FORBIDDEN']);
  });

  it('of one team decide nothing for the platform, not even an admin’s', async () => {
    const { client } = await makePerson({ team: 'red', role: 'admin' });
    expect(await codeOf(client.teams.create({ body: { name: 'mine' } }))).toBe('FORBIDDEN');
    expect(await codeOf(client.signingKeys.rotate())).toBe('FORBIDDEN');
    expect(await codeOf(client.audit.list())).toBe('FORBIDDEN');
    expect(await codeOf(client.nodes.list())).toBe('OK');
  });

  it('add up over teams for what belongs to none', async () => {
    const { client } = await makePerson({ team: 'red', role: 'viewer' }, { team: 'blue', role: 'publisher' });
    expect(await codeOf(client.models.create({ body: { name: 'flowers' } }))).toBe('OK');
  });

  it('are given by admins, in their own team only, and to nobody who can do more', async () => {
    const { client } = await makePerson({ team: 'red', role: 'admin' });
    const create = (login: string, ...roles: RoleGrant[]) =>
      codeOf(client.people.create({ body: { login, password, roles } }));
    expect(await create('red-viewer', { team: 'red', role: 'viewer' })).toBe('OK');
    expect(await create('red-admin', { team: 'red', role: 'admin' })).toBe('OK');
    expect(await create('blue-viewer', { team: 'blue', role: 'viewer' })).toBe('FORBIDDEN');
    expect(await create('everywhere', { team: null, role: 'viewer' })).toBe('FORBIDDEN');
    expect(await create('nowhere')).toBe('FORBIDDEN');
    const update = (login: string, body: object) => codeOf(client.people.update({ params: { login }, body }));
    expect(await update('root', { password: 'taken over by red' })).toBe('FORBIDDEN');
    expect(await codeOf(client.people.disable({ params: { login: 'root' } }))).toBe('FORBIDDEN');
    const both = await makePerson({ team: 'blue', role: 'viewer' });
    const roles = [
      { team: 'blue', role: 'viewer' },
      { team: 'red', role: 'viewer' },
    ] as const;
    expect(await update(both.login, { roles })).toBe('OK');
    expect(await update(both.login, { roles: [], password: 'taken over by red' })).toBe('FORBIDDEN');
    expect(await update(both.login, { name: 'renamed' })).toBe('FORBIDDEN');
    const operator = await makePerson({ team: 'red', role: 'operator' });
    expect(await codeOf(operator.client.people.list())).toBe('FORBIDDEN');
    const seen = (await client.people.list()).items.map(({ login }) => login);
    expect(seen).toContain(both.login);
    expect(seen).not.toContain('root');
  });

  it('hold anew at once: tokens with the old ones are revoked, the session goes on', async () => {
    const { login, client, tokens } = await makePerson({ team: null, role: 'publisher' });
    expect(await infer(tokens.access_token)).toBe('ENDPOINT_NOT_FOUND');
    await root.people.update({ params: { login }, body: { roles: [{ team: null, role: 'viewer' }] } });
    expect(await codeOf(client.models.list())).toBe('UNAUTHENTICATED');
    await refusedSoon(tokens.access_token, 'UNAUTHENTICATED');
    const fresh = await refresh(tokens.refresh_token);
    expect(await infer(fresh.access_token)).toBe('FORBIDDEN');
    expect(await codeOf(registry.clientWith(fresh.access_token).models.list())).toBe('OK');
  });
});
