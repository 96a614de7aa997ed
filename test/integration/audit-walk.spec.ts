/**
 * Every administrative act is in the audit log, with before and after. The walk goes along the route table: a new route that
 * changes something fails it until it has a row here.
 */
import { routeUrl, send } from '#client/client';
import type { RouteSpec } from '#contracts/route';
import { routes } from '#contracts/routes';
import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeJoinToken, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { newModel, newReadyVersion, newVersion } from '../support/versions.js';

/** `made` has an after, `gone` a before, `changed` both. */
type Kind = 'made' | 'changed' | 'gone';

interface Request {
  readonly params?: Record<string, string>;
  readonly query?: Record<string, string>;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** Default: the admin’s. */
  readonly token?: string;
}
type Act = readonly [kind: Kind, prepare: () => Promise<Request> | Request];

const password = 'a password of the tests';
let registry: TestRegistry;
let receiver: Server;
let counter = 0;
const unique = (stem: string): string => `${stem}-${(counter += 1)}`;

beforeAll(async () => {
  registry = await startRegistry({
    SLUICE_WEBHOOK_PRIVATE_ADDRESSES: 'true',
    SLUICE_ISSUER_PRIVATE_ADDRESSES: 'true',
  });
  receiver = createServer((_, response) => response.writeHead(204).end());
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
});
afterAll(async () => {
  await registry.close();
  receiver.closeAllConnections();
  receiver.close();
});

const receiverUrl = (): string => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
const etag = { 'if-match': '"1"' };

async function model(): Promise<{ model: string }> {
  return { model: await newModel(registry) };
}
async function version(isReady = false): Promise<{ model: string; version: string }> {
  const { model: name } = await model();
  const made = isReady ? await newReadyVersion(registry, name) : await newVersion(registry, name);
  return { model: name, version: String(made.version) };
}
async function archivedVersion(): Promise<{ model: string; version: string }> {
  const params = await version();
  await registry.admin.versions.archive({ params });
  return params;
}
async function archivedModel(): Promise<{ model: string }> {
  const params = await model();
  await registry.admin.models.archive({ params });
  return params;
}
async function alias(): Promise<{ model: string; alias: string }> {
  const at = await version(true);
  const params = { model: at.model, alias: 'champion' };
  await registry.admin.aliases.set({ params, body: { version: Number(at.version) } });
  return params;
}
async function client(): Promise<{ client_id: string }> {
  return { client_id: (await registry.caller('infer')).clientId };
}
async function person(): Promise<{ login: string }> {
  const login = unique('person');
  await registry.admin.people.create({ body: { login, password, roles: [] } });
  return { login };
}
async function session(): Promise<string> {
  const { login } = await person();
  return (await registry.admin.sessions.begin({ body: { login, password } })).access_token;
}
async function quota(): Promise<{ quota_id: string }> {
  const body = { name: unique('quota'), window: 'minute', limit: 10, per_client: false } as const;
  return { quota_id: (await registry.admin.quotas.create({ body })).id };
}
const inOneHour = (): string => new Date(Date.now() + 3_600_000).toISOString();
async function override(): Promise<{ quota_id: string }> {
  const params = await quota();
  await registry.admin.quotas.override({ params, body: { limit: 20, until: inOneHour() } });
  return params;
}
async function webhook(): Promise<{ webhook: string }> {
  const name = unique('hook');
  await registry.admin.webhooks.create({ body: { name, url: receiverUrl(), types: ['model.create'] } });
  return { webhook: name };
}
/** A resumable upload that is complete. */
async function uploaded(text: string): Promise<string> {
  const answer = await registry.send('POST', routes.uploads.list.path, {
    headers: {
      authorization: `Bearer ${registry.adminToken}`,
      'tus-resumable': '1.0.0',
      'upload-length': String(text.length),
      'content-type': 'application/offset+octet-stream',
    },
    body: text,
  });
  expect(answer.status).toBe(201);
  return answer.headers.get('location')?.split('/').at(-1) ?? '';
}
async function issuer(): Promise<{ issuer_name: string }> {
  const name = unique('issuer');
  await registry.admin.issuers.create({ body: issuerBody(name) });
  return { issuer_name: name };
}
const issuerBody = (name: string) => ({
  name,
  issuer: `${receiverUrl()}/${name}`,
  audiences: ['sluice'],
  mapping: { scopes: { value: ['infer'] } },
});
async function provider(): Promise<{ provider: string }> {
  const name = unique('provider');
  await registry.admin.signInProviders.create({ body: providerBody(name) });
  return { provider: name };
}
const providerBody = (name: string) => ({ name, issuer: receiverUrl(), client_id: 'sluice' });
async function externalNode(): Promise<{ node: string }> {
  const node = unique('triton');
  await registry.admin.externalNodes.put({ params: { node }, body: { address: receiverUrl(), serves: [] } });
  return { node };
}
async function apiToken(): Promise<{ api_token_id: string }> {
  const body = { name: 'ci', scopes: ['infer'] };
  return { api_token_id: (await registry.admin.apiTokens.create({ body })).id };
}
async function node(): Promise<{ node_id: string }> {
  const { items } = await registry.admin.nodes.list();
  if (items[0]) return { node_id: items[0].id };
  const capacity = { cores: 1, memory_bytes: 1_000_000 };
  const body = { name: 'node', address: receiverUrl(), capacity, program_version: '1' };
  return { node_id: (await registry.clientWith(nodeJoinToken).nodes.register({ body })).node_id };
}
function trustedKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return {
    body: { name: unique('key'), public_key: String(publicKey.export({ type: 'spki', format: 'pem' })) },
    sign: (text: string): string => sign(null, Buffer.from(text), privateKey).toString('base64'),
  };
}
const rule = { keep_last: 3, action: 'archive' };

const acts: Record<string, Act> = {
  'models.create': ['made', () => ({ body: { name: unique('made') } })],
  'models.update': ['changed', async () => ({ params: await model(), body: { description: 'new' } })],
  'models.archive': ['changed', async () => ({ params: await model() })],
  'models.restore': ['changed', async () => ({ params: await archivedModel() })],
  'models.remove': [
    'gone',
    async () => {
      const params = await archivedModel();
      return { params, query: { confirm: params.model } };
    },
  ],
  'models.setRetention': ['changed', async () => ({ params: await model(), body: rule })],
  'models.clearRetention': [
    'changed',
    async () => {
      const params = await model();
      await registry.admin.models.setRetention({ params, body: { keep_last: 3, action: 'archive' } });
      return { params };
    },
  ],
  'versions.upload': ['made', async () => ({ params: await model() })],
  'uploads.commit': [
    'made',
    async () => {
      const params = await model();
      const uploads = [{ path: 'model.onnx', upload_id: await uploaded('the bytes of a model') }];
      return { params, body: { uploads } };
    },
  ],
  'versions.update': ['changed', async () => ({ params: await version(), body: { description: 'new' } })],
  'versions.archive': ['changed', async () => ({ params: await version() })],
  'versions.restore': ['changed', async () => ({ params: await archivedVersion() })],
  'versions.remove': [
    'gone',
    async () => {
      const params = await archivedVersion();
      return { params, query: { confirm: `${params.model}/${params.version}` } };
    },
  ],
  'versions.load': [
    'changed',
    async () => {
      const params = await version(true);
      await registry.admin.versions.unload({ params });
      return { params };
    },
  ],
  'versions.unload': ['changed', async () => ({ params: await version(true) })],
  'versions.putConfig': ['changed', async () => ({ params: await version(), body: { replicas: 1 } })],
  'integrity.addKey': ['made', () => ({ body: trustedKey().body })],
  'integrity.revokeKey': [
    'changed',
    async () => {
      const { body } = trustedKey();
      await registry.admin.integrity.addKey({ body });
      return { params: { key: body.name } };
    },
  ],
  'integrity.attest': [
    'made',
    async () => {
      const params = await version();
      const { body, sign: signed } = trustedKey();
      await registry.admin.integrity.addKey({ body });
      const { manifest } = await registry.admin.integrity.read({ params });
      return { params, body: { key: body.name, signature: signed(manifest) } };
    },
  ],
  'integrity.setPolicy': [
    'changed',
    async () => {
      await registry.admin.integrity.setPolicy({ body: { signed_only: true } });
      return { body: { signed_only: false } };
    },
  ],
  'integrity.setModelPolicy': [
    'changed',
    async () => ({ params: await model(), body: { signed_only: true } }),
  ],
  'externalNodes.put': [
    'made',
    () => ({ params: { node: unique('triton') }, body: { address: receiverUrl(), serves: [] } }),
  ],
  'externalNodes.remove': ['gone', async () => ({ params: await externalNode() })],
  'externalNodes.createVersion': ['made', async () => ({ params: await model(), body: {} })],
  'aliases.set': [
    'made',
    async () => {
      const at = await version(true);
      return { params: { model: at.model, alias: 'champion' }, body: { version: Number(at.version) } };
    },
  ],
  'aliases.remove': ['gone', async () => ({ params: await alias() })],
  'aliases.protect': ['changed', async () => ({ params: await alias() })],
  'aliases.unprotect': [
    'changed',
    async () => {
      const params = await alias();
      await registry.admin.aliases.protect({ params });
      return { params };
    },
  ],
  'cards.put': [
    'changed',
    async () => ({ params: await model(), body: { markdown: '# New' }, headers: { 'if-match': '"0"' } }),
  ],
  'endpoints.create': ['made', async () => ({ body: { name: unique('endpoint'), ...(await model()) } })],
  'endpoints.setTraffic': [
    'changed',
    async () => {
      const at = await version(true);
      return {
        params: { endpoint: at.model },
        headers: etag,
        body: { split: [{ version: Number(at.version), weight: 1 }] },
      };
    },
  ],
  'nodes.drain': ['changed', async () => ({ params: await node() })],
  'nodes.resume': [
    'changed',
    async () => {
      const params = await node();
      await registry.admin.nodes.drain({ params });
      return { params };
    },
  ],
  'signingKeys.rotate': ['made', () => ({})],
  'teams.create': ['made', () => ({ body: { name: unique('team') } })],
  'teams.update': ['changed', () => ({ params: { team: 'default' }, body: { time_zone: 'Asia/Tokyo' } })],
  'people.create': ['made', () => ({ body: { login: unique('newcomer'), password } })],
  'people.update': [
    'changed',
    async () => ({ params: await person(), body: { roles: [{ team: 'default', role: 'viewer' }] } }),
  ],
  'people.disable': ['changed', async () => ({ params: await person() })],
  'people.enable': [
    'changed',
    async () => {
      const params = await person();
      await registry.admin.people.disable({ params });
      return { params };
    },
  ],
  'people.signOut': ['changed', async () => ({ params: await person() })],
  'sessions.begin': ['made', async () => ({ body: { ...(await person()), password } })],
  'sessions.end': ['changed', async () => ({ token: await session() })],
  'sessions.changePassword': [
    'changed',
    async () => ({
      token: await session(),
      body: { old_password: password, new_password: 'another long password' },
    }),
  ],
  'signInProviders.create': ['made', () => ({ body: providerBody(unique('provider')) })],
  'signInProviders.update': ['changed', async () => ({ params: await provider(), body: { disabled: true } })],
  'signInProviders.remove': ['gone', async () => ({ params: await provider() })],
  'apiTokens.create': ['made', () => ({ body: { name: 'ci', scopes: ['infer'] } })],
  'apiTokens.revoke': ['changed', async () => ({ params: await apiToken() })],
  'issuers.create': ['made', () => ({ body: issuerBody(unique('issuer')) })],
  'issuers.update': ['changed', async () => ({ params: await issuer(), body: { disabled: true } })],
  'issuers.remove': ['gone', async () => ({ params: await issuer() })],
  'usage.createPrice': [
    'made',
    () => ({
      body: { unit: 'requests', currency: 'EUR', price_per_million: '1.5', valid_from: inOneHour() },
    }),
  ],
  'usage.putExport': ['made', () => ({ body: { url: receiverUrl() } })],
  'usage.removeExport': [
    'gone',
    async () => {
      await registry.admin.usage.putExport({ body: { url: receiverUrl() } });
      return {};
    },
  ],
  'clients.create': ['made', () => ({ body: { name: 'x', scopes: ['infer'] } })],
  'clients.update': [
    'changed',
    async () => ({ params: await client(), body: { name: 'new', scopes: ['models:read'] } }),
  ],
  'clients.disable': ['changed', async () => ({ params: await client() })],
  'clients.enable': [
    'changed',
    async () => {
      const params = await client();
      await registry.admin.clients.disable({ params });
      return { params };
    },
  ],
  'clients.revokeTokens': ['changed', async () => ({ params: await client() })],
  'clients.rotateSecret': ['changed', async () => ({ params: await client() })],
  'quotas.create': ['made', () => ({ body: { name: unique('quota'), window: 'minute', limit: 10 } })],
  'quotas.update': ['changed', async () => ({ params: await quota(), body: { limit: 11 } })],
  'quotas.remove': ['gone', async () => ({ params: await quota() })],
  'quotas.reset': ['changed', async () => ({ params: await quota() })],
  'quotas.grant': ['changed', async () => ({ params: await quota(), body: { amount: 5 } })],
  'quotas.override': [
    'made',
    async () => ({ params: await quota(), body: { limit: 20, until: inOneHour() } }),
  ],
  'quotas.revokeOverride': ['gone', async () => ({ params: await override() })],
  'webhooks.create': [
    'made',
    () => ({ body: { name: unique('hook'), url: receiverUrl(), types: ['model.create'] } }),
  ],
  'webhooks.update': ['changed', async () => ({ params: await webhook(), body: { enabled: false } })],
  'webhooks.remove': ['gone', async () => ({ params: await webhook() })],
  'webhooks.rotateSecret': ['changed', async () => ({ params: await webhook() })],
  'webhooks.test': ['made', async () => ({ params: await webhook() })],
};

/** Routes that change something and are no administrative act, and why. */
const others: Record<string, string> = {
  'auth.token': 'issues a token',
  'models.previewRetention': 'changes nothing',
  'experiments.create': 'training log',
  'runs.create': 'training log',
  'runs.log': 'training log: thousands of metrics a second',
  'runs.finish': 'training log',
  'runLines.append': 'training log',
  'studies.create': 'training log',
  'issuers.refreshKeys': 'reads what someone else publishes; the issuer is as it was decided',
  'webhooks.replay':
    'needs a delivery, which a worker makes; its before and after are in the webhooks’ own spec',
  'nodes.register': 'a program of ours',
  'nodes.renew': 'a program of ours',
  'gateways.register': 'a program of ours',
  'usage.report': 'a program of ours',
  'quotas.lease': 'a program of ours',
  'apiTokens.reportUse': 'a program of ours',
  'issuers.reportUnknownKey': 'a program of ours',
  'externalNodes.report': 'a program of ours',
};

const mutating = Object.entries(routes).flatMap(([group, specs]) =>
  Object.entries<RouteSpec>(specs)
    .filter(([, spec]) => spec.method !== 'GET')
    .map(([name, spec]) => [`${group}.${name}`, spec] as const),
);

describe('every route that changes something', () => {
  it('has a row here: add it to the acts (with before and after), or say why it is none', () => {
    const named = [...Object.keys(acts), ...Object.keys(others)].sort();
    expect(named).toEqual(mutating.map(([key]) => key).sort());
  });

  it.each(mutating.filter(([key]) => key in acts))('leaves an audit entry: %s', async (key, spec) => {
    const [kind, prepare]: Act = acts[key] ?? ['made', () => ({})];
    const { token = registry.adminToken, headers = {}, ...request } = await prepare();
    const options = { baseUrl: registry.url, token: () => token };
    const id = `walk-${key}`;
    const headersOfAct = { ...headers, 'x-request-id': id };
    const answer =
      spec.bodyMedia === 'upload'
        ? await registry.send(spec.method, routeUrl(spec, request), {
            headers: {
              ...headersOfAct,
              authorization: `Bearer ${token}`,
              'content-type': 'application/octet-stream',
            },
            body: 'the bytes of a model',
          })
        : await send(options, spec, { ...request, headers: headersOfAct });
    expect(answer.status, await answer.text()).toBe(spec.status);
    const entries = await registry.dataSource.query<{ actor: string; before: unknown; after: unknown }[]>(
      'SELECT actor, before, after FROM audit_entries WHERE request_id = $1 ORDER BY id',
      [id],
    );
    expect(entries.length).toBeGreaterThan(0);
    const events = await registry.dataSource.query<unknown[]>(
      'SELECT 1 FROM events e JOIN audit_entries a USING (id) WHERE a.request_id = $1 AND e.type = a.action',
      [id],
    );
    expect(events, 'who follows the events is told').toHaveLength(entries.length);
    for (const { actor, before, after } of entries) {
      expect(actor).toMatch(/^(client|person):/);
      expect({ before: before !== null, after: after !== null }).toEqual({
        before: kind !== 'made',
        after: kind !== 'gone',
      });
    }
  });
});
