/** Teams and what narrows their clients, from the API to a gateway that follows the registry. */
import { TokenClaims } from '#contracts/clients';
import type { Snapshot, SnapshotClientLimit } from '#contracts/snapshot';
import { createClient } from '#client/client';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import { gatewayJoinToken, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { cleanUp, startTestGateway, until } from './gateway-harness.js';

let registry: TestRegistry;
let gateway: Gateway;
beforeAll(async () => {
  registry = await startRegistry();
  gateway = await startTestGateway(registry.url, { SLUICE_GATEWAY_JOIN_TOKEN: gatewayJoinToken });
  await gateway.ready;
});
afterAll(async () => {
  await cleanUp();
  await registry.close();
});

const tokenFor = async (clientId: string, secret: string): Promise<string> => {
  const body = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret } as const;
  return (await createClient({ baseUrl: registry.url }).auth.token({ body })).access_token;
};

/** The code of the gateway's answer. There are no endpoints, so whoever may call gets ENDPOINT_NOT_FOUND. */
async function infer(token: string, endpoint: string): Promise<string | null> {
  const response = await fetch(`${gateway.url}/v2/models/${endpoint}/infer`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{"inputs":[]}',
  });
  await response.body?.cancel();
  return response.headers.get('x-sluice-code');
}

/** Within what time a change must be in force at every gateway. */
const promisedMs = 2_000;

async function makeKnown(
  change: () => Promise<unknown>,
  isIn: (snapshot: Snapshot) => boolean,
): Promise<void> {
  await change();
  const changedAtMs = performance.now();
  await until(() => {
    const { table } = gateway.core;
    return table !== undefined && isIn(table.snapshot);
  }, 'the gateway has the change');
  expect(performance.now() - changedAtMs).toBeLessThan(promisedMs);
}

const limitOf = ({ client_limits }: Snapshot, clientId: string): SnapshotClientLimit | undefined =>
  client_limits.find(({ client_id }) => client_id === clientId);
const timeOf = (timestamp: string | null | undefined): number => Date.parse(timestamp ?? '') || 0;

describe('teams', () => {
  it('are made, listed and changed, each change audited', async () => {
    const made = await registry.admin.teams.create({ body: { name: 'risk', time_zone: 'Europe/Berlin' } });
    const changed = await registry.admin.teams.update({
      params: { team: 'risk' },
      body: { time_zone: 'Asia/Tokyo' },
    });
    const { items } = await registry.admin.teams.list();
    expect(items.map(({ name, time_zone }) => [name, time_zone])).toEqual([
      ['default', 'UTC'],
      ['risk', 'Asia/Tokyo'],
    ]);
    const audit = await registry.admin.audit.list({ query: { subject_prefix: 'teams/risk' } });
    expect(audit.items).toMatchObject([
      { action: 'team.update', before: made, after: changed },
      { action: 'team.create', before: null, after: made },
    ]);
  });

  it('have unique names and real time zones', async () => {
    const create = (name: string, time_zone: string) =>
      registry.admin.teams.create({ body: { name, time_zone } });
    await expect(create('default', 'UTC')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    await expect(create('mars', 'Mars/Olympus')).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    const update = registry.admin.teams.update({ params: { team: 'nobody' }, body: { time_zone: 'UTC' } });
    await expect(update).rejects.toMatchObject({ code: 'TEAM_NOT_FOUND' });
  });

  it('are known to gateways, with their time zone', async () => {
    const fraud = { name: 'fraud', time_zone: 'Asia/Tokyo' };
    await makeKnown(
      () => registry.admin.teams.create({ body: fraud }),
      ({ teams }) => teams.some(({ name }) => name === fraud.name),
    );
    expect(gateway.core.table?.snapshot.teams).toContainEqual(fraud);
  });

  it('stand in the tokens of their clients', async () => {
    await registry.admin.teams.create({ body: { name: 'search' } });
    const make = async (team?: string) => {
      const body = { name: 'caller', scopes: ['infer'], ...(team === undefined ? {} : { team }) };
      const { client_id: id, client_secret: secret } = await registry.admin.clients.create({ body });
      return TokenClaims.parse(decodeJwt(await tokenFor(id, secret))).team;
    };
    expect(await make('search')).toBe('search');
    expect(await make()).toBe('default');
    await expect(make('nobody')).rejects.toMatchObject({ code: 'TEAM_NOT_FOUND' });
  });
});

describe('a client', () => {
  it('calls only the endpoints of its allow-list, whatever its scopes; a change is in force at once', async () => {
    const { clientId, token } = await registry.caller('infer');
    expect(await infer(token, 'iris')).toBe('ENDPOINT_NOT_FOUND');
    const setList = (endpoints: string[] | null) =>
      makeKnown(
        () => registry.admin.clients.update({ params: { client_id: clientId }, body: { endpoints } }),
        (snapshot) => (limitOf(snapshot, clientId)?.endpoints ?? null)?.[0] === endpoints?.[0],
      );
    await setList(['churn']);
    expect(await infer(token, 'iris')).toBe('FORBIDDEN');
    expect(await infer(token, 'churn')).toBe('ENDPOINT_NOT_FOUND');
    await setList(null);
    expect(await infer(token, 'iris')).toBe('ENDPOINT_NOT_FOUND');
    const { items } = await registry.admin.audit.list({ query: { subject_prefix: `clients/${clientId}` } });
    expect(items[0]).toMatchObject({
      action: 'client.update',
      before: { endpoints: ['churn'] },
      after: { endpoints: null },
    });
  });

  it('ends with its expiry: no new token, and those that are out stop working everywhere', async () => {
    const { clientId, secret, token, client } = await registry.caller('infer', 'models:read');
    const params = { client_id: clientId };
    const expire = (expires_at: string | null) =>
      makeKnown(
        () => registry.admin.clients.update({ params, body: { expires_at } }),
        (snapshot) => timeOf(limitOf(snapshot, clientId)?.expires_at) === timeOf(expires_at),
      );
    await expire(new Date(Date.now() + 3_600_000).toISOString());
    expect(await infer(token, 'iris')).toBe('ENDPOINT_NOT_FOUND');
    await expire('2026-01-01T00:00:00Z');
    expect(await infer(token, 'iris')).toBe('CLIENT_DISABLED');
    await expect(client.models.list()).rejects.toMatchObject({ code: 'CLIENT_DISABLED' });
    await expect(tokenFor(clientId, secret)).rejects.toMatchObject({ code: 'CLIENT_DISABLED' });
    await expire(null);
    await expect(tokenFor(clientId, secret)).resolves.toBeTypeOf('string');
  });

  it('is refused at the gateways within two seconds of being disabled', async () => {
    const { clientId, token } = await registry.caller('infer');
    expect(await infer(token, 'iris')).toBe('ENDPOINT_NOT_FOUND');
    await makeKnown(
      () => registry.admin.clients.disable({ params: { client_id: clientId } }),
      (snapshot) => snapshot.disabled_clients.includes(clientId),
    );
    expect(await infer(token, 'iris')).toBe('CLIENT_DISABLED');
  });

  it('loses the tokens that it has when they are revoked, at the registry and the gateways, and gets new ones', async () => {
    const { clientId, secret, token, client } = await registry.caller('infer', 'models:read');
    expect(await infer(token, 'iris')).toBe('ENDPOINT_NOT_FOUND');
    await makeKnown(
      () => registry.admin.clients.revokeTokens({ params: { client_id: clientId } }),
      (snapshot) => typeof limitOf(snapshot, clientId)?.tokens_valid_from === 'string',
    );
    expect(await infer(token, 'iris')).toBe('UNAUTHENTICATED');
    await expect(client.models.list()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    const fresh = await tokenFor(clientId, secret);
    expect(await infer(fresh, 'iris')).toBe('ENDPOINT_NOT_FOUND');
    await expect(registry.clientWith(fresh).models.list()).resolves.toBeDefined();
  });

  it('loses a scope, and the tokens that carry it, everywhere; and gets others', async () => {
    const { clientId, secret, token, client } = await registry.caller('infer', 'models:read');
    expect(await infer(token, 'iris')).toBe('ENDPOINT_NOT_FOUND');
    const change = (scopes: string[], by = registry.admin) =>
      by.clients.update({ params: { client_id: clientId }, body: { scopes } });
    await makeKnown(
      () => change(['models:read', 'runs:read']),
      (snapshot) => typeof limitOf(snapshot, clientId)?.tokens_valid_from === 'string',
    );
    expect(await infer(token, 'iris')).toBe('UNAUTHENTICATED');
    await expect(client.models.list()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    const fresh = await tokenFor(clientId, secret);
    expect(decodeJwt(fresh)['scope']).toBe('models:read runs:read');
    await change(['models:read', 'runs:read', 'infer']);
    await expect(registry.clientWith(fresh).models.list()).resolves.toBeDefined();
    expect(await infer(await tokenFor(clientId, secret), 'iris')).toBe('ENDPOINT_NOT_FOUND');
    const clerk = await registry.caller('clients:write', 'models:read', 'runs:read', 'infer');
    await expect(change(['models:write'], clerk.client)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(change(['infer'], clerk.client)).resolves.toMatchObject({ scopes: ['infer'] });
  });

  it('can use its old secret beside the new one for as long as the rotation says', async () => {
    const { clientId, secret } = await registry.caller('infer');
    const rotate = (overlap_s: number) =>
      registry.admin.clients.rotateSecret({ params: { client_id: clientId }, query: { overlap_s } });
    const second = await rotate(3_600);
    const third = await rotate(3_600);
    for (const each of [secret, second.client_secret, third.client_secret])
      await expect(tokenFor(clientId, each)).resolves.toBeTypeOf('string');
    const last = await rotate(0);
    await expect(tokenFor(clientId, last.client_secret)).resolves.toBeTypeOf('string');
    for (const each of [secret, second.client_secret, third.client_secret])
      await expect(tokenFor(clientId, each)).rejects.toMatchObject({ code: 'INVALID_CLIENT' });
  });

  it('cannot be changed by one who lacks a scope that it has', async () => {
    const clerk = await registry.caller('clients:write');
    const update = clerk.client.clients.update({ params: { client_id: 'admin' }, body: { name: 'mine' } });
    await expect(update).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});
