/** External nodes and versions at the registry: what is kept, checked, shown, and told to gateways. */
import { readFile } from 'node:fs/promises';
import type { Snapshot } from '#contracts/snapshot';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { gatewayJoinToken, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { place } from '../support/placement.js';
import { auditedActions, newModel, newReadyVersion, routingRevision } from '../support/versions.js';

let registry: TestRegistry;
let gateway: string;
let model: string;
let caPem: string;

beforeAll(async () => {
  registry = await startRegistry({ SLUICE_MASTER_KEY: 'a-master-key-of-at-least-32-characters' });
  const body = { name: 'gw', program_version: '0.1.0' };
  gateway = (await registry.clientWith(gatewayJoinToken).gateways.register({ body })).credential;
  caPem = await readFile('test/fixtures/node-tls/ca.pem', 'utf8');
});
afterAll(() => registry.close());
beforeEach(async () => {
  model = await newModel(registry);
  await newReadyVersion(registry, model);
});

const externalNodes = () => registry.admin.externalNodes;
const snapshot = (): Promise<Snapshot> => registry.clientWith(gateway).gateways.snapshot();
const replicasOf = async (version: number) =>
  (await snapshot()).models.find((one) => one.name === model)?.versions.find((one) => one.version === version)
    ?.replicas;

describe('an external node', () => {
  it('is registered, replaced, listed and forgotten; gateways get it with its secret, nobody else does', async () => {
    const node = `triton-${model}`;
    const before = await routingRevision(registry);
    const body = {
      address: 'https://triton.example:8000/',
      authorization: 'Bearer a-secret',
      ca_pem: caPem,
      server_name: 'triton.internal',
      serves: [{ model, version: 1, served_model: 'iris_onnx', served_version: '7' }],
    };
    const made = await externalNodes().put({ params: { node }, body });
    expect(made).toMatchObject({
      name: node,
      address: 'https://triton.example:8000',
      has_authorization: true,
      serves: body.serves,
    });
    expect(JSON.stringify(made)).not.toContain('a-secret');
    expect(await externalNodes().read({ params: { node } })).toEqual(made);
    expect((await externalNodes().list({})).items).toContainEqual(made);
    expect(await routingRevision(registry)).toBe(before + 1);
    expect(await replicasOf(1)).toEqual([
      { node_id: made.id, address: made.address, serves: { model: 'iris_onnx', version: '7' } },
    ]);
    expect((await snapshot()).external_nodes).toContainEqual({
      node_id: made.id,
      authorization: 'Bearer a-secret',
      ca_pem: caPem,
      server_name: 'triton.internal',
      protocols: ['oip'],
    });
    const [stored] = await registry.dataSource.query<{ authorization: string }[]>(
      'SELECT "authorization" FROM external_nodes WHERE name = $1',
      [node],
    );
    expect(stored?.authorization).not.toContain('a-secret');

    const next = { address: 'http://10.0.0.1:8000', serves: [{ model, version: 1, served_model: 'iris' }] };
    const changed = await externalNodes().put({ params: { node }, body: next });
    expect(changed).toMatchObject({
      id: made.id,
      has_authorization: false,
      ca_pem: null,
      created_at: made.created_at,
    });
    expect(await replicasOf(1)).toMatchObject([{ serves: { model: 'iris', version: null } }]);
    await externalNodes().remove({ params: { node } });
    expect(await replicasOf(1)).toEqual([]);
    await expect(externalNodes().read({ params: { node } })).rejects.toMatchObject({
      code: 'NODE_NOT_FOUND',
    });
    await expect(externalNodes().remove({ params: { node } })).rejects.toMatchObject({
      code: 'NODE_NOT_FOUND',
    });
    expect(await auditedActions(registry, `external-nodes/${node}`)).toEqual([
      'external_node.put',
      'external_node.put',
      'external_node.delete',
    ]);
    const { items } = await registry.admin.audit.list({
      query: { subject_prefix: `external-nodes/${node}` },
    });
    expect(JSON.stringify(items)).not.toContain('a-secret');
  });

  it('is among the nodes, with what gateways find of it', async () => {
    const node = `seen-${model}`;
    const body = {
      address: 'http://10.0.0.1:8000',
      protocols: ['oip' as const, 'tfserving' as const],
      serves: [{ model, version: 1, served_model: 'x' }],
    };
    const { id, protocols } = await externalNodes().put({ params: { node }, body });
    expect(protocols).toEqual(body.protocols);
    const seen = () => registry.admin.nodes.read({ params: { node_id: id } });
    expect(await seen()).toMatchObject({
      name: node,
      external: true,
      capacity: null,
      program_version: null,
      lease_expires_at: null,
      state: 'LOST',
      replicas: [{ model, version: 1, state: 'ASSIGNED' }],
    });
    const report = (credential: string, ready: boolean) =>
      registry.clientWith(credential).externalNodes.report({
        body: {
          replicas: [
            { node_id: id, model, version: 1, ready },
            { node_id: id, model, version: 99, ready: true },
            { node_id: id, model: 'gone', version: 1, ready: true },
          ],
        },
      });
    await report(gateway, true);
    expect(await seen()).toMatchObject({ state: 'READY', replicas: [{ state: 'READY', reason: null }] });
    const other = (
      await registry
        .clientWith(gatewayJoinToken)
        .gateways.register({ body: { name: 'gw-2', program_version: '0.1.0' } })
    ).credential;
    await report(other, true);
    await report(gateway, false);
    expect(await seen()).toMatchObject({ state: 'READY' });
    await report(other, false);
    expect(await seen()).toMatchObject({ state: 'LOST', replicas: [{ state: 'FAILED' }] });
    await registry.dataSource.query(
      `UPDATE external_reports SET is_ready = true, reported_at = now() - interval '31 seconds'`,
    );
    expect(await seen()).toMatchObject({ state: 'LOST', replicas: [{ state: 'ASSIGNED' }] });

    const { items } = await registry.admin.nodes.list({ query: { page_size: 1_000 } });
    expect(items).toContainEqual(await seen());
    const pages: string[] = [];
    for (let page_token: string | undefined; ;) {
      const page = await registry.admin.nodes.list({
        query: { page_size: 1, ...(page_token ? { page_token } : {}) },
      });
      pages.push(...page.items.map((item) => item.id));
      if (page.next_page_token === undefined) break;
      page_token = page.next_page_token;
    }
    expect(pages).toEqual(items.map((item) => item.id));
    await expect(registry.admin.nodes.drain({ params: { node_id: id } })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    });
    await expect(report(registry.adminToken, true)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await externalNodes().remove({ params: { node } });
    await expect(seen()).rejects.toMatchObject({ code: 'NODE_NOT_FOUND' });
  });

  it('put by many at once under one name is one node', async () => {
    const node = `many-${model}`;
    const body = { address: 'http://10.0.0.1:8000', serves: [{ model, version: 1, served_model: 'x' }] };
    const made = await Promise.all(
      Array.from({ length: 8 }, () => externalNodes().put({ params: { node }, body })),
    );
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect(await replicasOf(1)).toHaveLength(1);
  });

  it('is refused with what cannot be right, and nothing of it is kept', async () => {
    const serves = [{ model, version: 1, served_model: 'x' }];
    const put = (body: Parameters<ReturnType<typeof externalNodes>['put']>[0]['body']) =>
      externalNodes().put({ params: { node: 'bad' }, body });
    const good = { address: 'http://10.0.0.1:8000', serves };
    for (const address of [
      'ftp://10.0.0.1',
      'http://10.0.0.1/v2',
      'http://u:p@10.0.0.1',
      'http://10.0.0.1?x',
      'triton',
    ])
      await expect(put({ address, serves })).rejects.toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
    await expect(put({ ...good, authorization: 'Bearer x\r\nx-evil: 1' })).rejects.toMatchObject({
      status: 400,
    });
    for (const ca_pem of ['nonsense', caPem.replace(/M/g, '!')])
      await expect(put({ ...good, ca_pem })).rejects.toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
    await expect(put({ ...good, serves: [...serves, ...serves] })).rejects.toMatchObject({ status: 400 });
    const none = (change: object) => put({ ...good, serves: serves.map((one) => ({ ...one, ...change })) });
    await expect(none({ version: 9 })).rejects.toMatchObject({ status: 404, code: 'VERSION_NOT_FOUND' });
    await expect(none({ model: 'nothing' })).rejects.toMatchObject({ status: 404, code: 'MODEL_NOT_FOUND' });
    await expect(externalNodes().read({ params: { node: 'bad' } })).rejects.toMatchObject({ status: 404 });
    const reader = await registry.caller('nodes:read', 'models:read');
    await expect(
      reader.client.externalNodes.put({ params: { node: 'bad' }, body: good }),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('an external version', () => {
  it('has no files, is never placed, and takes traffic that an external node serves', async () => {
    const version = await externalNodes().createVersion({
      params: { model },
      body: { description: 'TensorRT', default_timeout_ms: 5_000 },
    });
    expect(version).toMatchObject({
      version: 2,
      status: 'READY',
      external: true,
      files: [],
      entry_file: '',
      config: { config: { default_timeout_ms: 5_000 } },
    });
    const split = [
      { version: 1, weight: 1 },
      { version: 2, weight: 1 },
    ];
    const headers = { 'if-match': '"1"' };
    await registry.admin.endpoints.setTraffic({ params: { endpoint: model }, body: { split }, headers });
    await place(registry);
    const assigned = await registry.dataSource.query('SELECT 1 FROM replicas WHERE version_id = $1', [
      version.id,
    ]);
    expect(assigned).toEqual([]);
    expect(await replicasOf(2)).toEqual([]);
    const body = { address: 'http://10.0.0.1:8000', serves: [{ model, version: 2, served_model: 'trt' }] };
    await externalNodes().put({ params: { node: `trt-${model}` }, body });
    expect(await replicasOf(2)).toMatchObject([{ serves: { model: 'trt', version: null } }]);
    expect(await replicasOf(1)).toEqual([]);
    const unknown = externalNodes().createVersion({ params: { model: 'nothing' }, body: {} });
    await expect(unknown).rejects.toMatchObject({ status: 404, code: 'MODEL_NOT_FOUND' });
  });
});
