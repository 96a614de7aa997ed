/** Servers that are not Sluice's, as nodes: checked, routed to, spoken to in their own names, over TLS, and never shown our credential. */
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Client } from 'undici';
import { v7 as uuidv7 } from 'uuid';
import type { Snapshot, SnapshotExternalNode } from '#contracts/snapshot';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import { irisFile, irisRequest } from '../support/iris.js';
import { startOipServer } from '../support/oip-server.js';
import { eventually } from '../support/platform.js';
import type { OipServer, OipServerWishes } from '../support/oip-server.js';
import {
  TestNode,
  TestRegistry,
  cleanUp,
  makeFolder,
  makeSnapshot,
  makeToken,
  onCleanUp,
  publish,
  startTestGateway,
  until,
} from './gateway-harness.js';

const pem = (name: string): string => `test/fixtures/node-tls/${name}.pem`;
const tlsFiles = (name: string) => ({ cert: pem(name), key: pem(`${name}-key`) });

let registry: TestRegistry;
let bearer: string;
beforeEach(async () => {
  registry = await TestRegistry.start();
  bearer = `Bearer ${await makeToken(registry.keys)}`;
});
afterEach(cleanUp);

async function startExternal(wishes: Partial<OipServerWishes> = {}): Promise<OipServer & { id: string }> {
  const server = await startOipServer({ file: irisFile(2), model: 'flowers', version: '7', ...wishes });
  onCleanUp(() => server.kill());
  return { ...server, id: uuidv7() };
}

type External = Awaited<ReturnType<typeof startExternal>>;

const externalNode = (id: string, node: Partial<SnapshotExternalNode> = {}): SnapshotExternalNode => ({
  node_id: id,
  authorization: null,
  ca_pem: null,
  server_name: null,
  protocols: ['oip'],
  ...node,
});

/** Version 1 at `own`, version 2 at the external server, half of the traffic each. */
function snapshotOf(
  own: readonly TestNode[],
  external: External,
  node: Partial<SnapshotExternalNode> = {},
  revision = 1,
): Snapshot {
  const row = { node_id: external.id, address: external.url, serves: { model: 'flowers', version: '7' } };
  return {
    ...makeSnapshot({
      keys: registry.keys,
      revision,
      versions: { 1: own.map(({ replica }) => replica), 2: [row] },
      traffic: {
        split: [
          { version: 1, weight: 1 },
          { version: 2, weight: 1 },
        ],
      },
    }),
    external_nodes: [externalNode(external.id, node)],
  };
}

const versionAt = (gateway: Gateway, version: number) =>
  gateway.core.table?.endpoints.get('iris')?.routes.versions.get(version);
const untilReady = (gateway: Gateway, isReady = true): Promise<void> =>
  until(() => versionAt(gateway, 2)?.ready === isReady, `version 2 ready: ${isReady}`);

const send = (gateway: Gateway, path: string): Promise<Response> =>
  fetch(gateway.url + path, {
    method: 'POST',
    body: JSON.stringify(irisRequest),
    headers: { authorization: bearer, 'content-type': 'application/json' },
  });
const infer = (gateway: Gateway, pin = ''): Promise<Response> => send(gateway, `/v2/models/iris${pin}/infer`);

describe('an external node', () => {
  it('takes part in a split once it is ready, and its share goes to the others while it is not', async () => {
    const own = await TestNode.start('own');
    const external = await startExternal();
    const gateway = await startTestGateway(registry.url);
    await publish(registry, gateway, snapshotOf([own], external));
    await untilReady(gateway);
    const seen = new Set<string | null>();
    for (let i = 0; i < 40; i++) {
      const response = await infer(gateway);
      expect(response.status).toBe(200);
      seen.add(response.headers.get('x-sluice-version'));
      const body = (await response.json()) as { outputs?: { name: string; data: number[] }[] };
      if (response.headers.get('x-sluice-version') !== '2') continue;
      expect(body).toMatchObject({ model_name: 'flowers', model_version: '7' });
      expect(response.headers.get('x-sluice-node')).toBe(external.id);
      expect(response.headers.get('x-saw-authorization')).toBe('nothing');
      const sum = body.outputs?.find(({ name }) => name === 'probabilities')?.data.reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(1, 4);
    }
    expect([...seen].toSorted()).toEqual(['1', '2']);

    await fetch(`${external.url}/control`);
    await untilReady(gateway, false);
    const during = await Promise.all(Array.from({ length: 20 }, () => infer(gateway)));
    expect(during.map((response) => response.headers.get('x-sluice-version'))).toEqual(during.map(() => '1'));
    const pinned = await infer(gateway, '/versions/2');
    expect([pinned.status, pinned.headers.get('x-sluice-code')]).toEqual([503, 'NO_READY_REPLICA']);
    const admin = await makeToken(registry.keys, { scope: 'admin' });
    const view = await fetch(`${gateway.adminUrl}/snapshot`, {
      headers: { authorization: `Bearer ${admin}` },
    });
    expect(await view.json()).toMatchObject({
      gated: { iris: [2] },
      external: [
        { node_id: external.id, address: external.url, path: '/models/flowers/versions/7', ready: false },
      ],
    });

    const metrics = await fetch(`${gateway.adminUrl}/metrics`, {
      headers: { authorization: `Bearer ${admin}` },
    });
    const ready = `sluice_gateway_external_ready{node="${external.id}",path="/models/flowers/versions/7"} 0`;
    expect(await metrics.text()).toContain(ready);

    await fetch(`${external.url}/control`);
    await untilReady(gateway);
    expect((await infer(gateway, '/versions/2')).status).toBe(200);
    await external.kill();
    await untilReady(gateway, false);
    expect((await infer(gateway)).status).toBe(200);
  });

  it('gets the authorization that it wants, in force with the next snapshot and without a gap; the view hides it', async () => {
    const external = await startExternal({ authorization: 'Bearer theirs' });
    const gateway = await startTestGateway(registry.url);
    await publish(registry, gateway, snapshotOf([], external, { authorization: 'Bearer wrong' }));
    const before = await infer(gateway);
    expect([before.status, before.headers.get('x-sluice-code')]).toEqual([503, 'NO_READY_REPLICA']);
    await publish(registry, gateway, snapshotOf([], external, { authorization: 'Bearer theirs' }, 2));
    await untilReady(gateway);
    const answer = await infer(gateway);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-saw-authorization')).toBe('Bearer theirs');
    const admin = await makeToken(registry.keys, { scope: 'admin' });
    const view = await fetch(`${gateway.adminUrl}/snapshot`, {
      headers: { authorization: `Bearer ${admin}` },
    });
    expect(await view.text()).not.toContain('Bearer theirs');
    const next = snapshotOf([], external, { authorization: 'Bearer theirs', server_name: 'x.test' }, 3);
    await publish(registry, gateway, next);
    expect((await infer(gateway)).status).toBe(200);
  });

  it('is part of the statistics under the names that its version has here, and not missed when it has none', async () => {
    const own = await TestNode.start('own');
    const external = await startExternal();
    const gateway = await startTestGateway(registry.url);
    await publish(registry, gateway, snapshotOf([own], external));
    await untilReady(gateway);
    for (let i = 0; i < 3; i++) await (await infer(gateway, '/versions/2')).arrayBuffer();
    const ownRow = { name: 'iris', version: '1', inference_count: 5 };
    own.respond = (_req, res) => res.end(JSON.stringify({ model_stats: [ownRow] }));
    const statistics = async (path: string): Promise<unknown> => {
      const response = await fetch(gateway.url + path, { headers: { authorization: bearer } });
      const { model_stats } = (await response.json()) as { model_stats: { version: string }[] };
      return model_stats.sort((a, b) => Number(a.version) - Number(b.version));
    };
    const row = { name: 'iris', version: '2', inference_count: 3 };
    for (const [path, rows] of [
      ['/v2/models/iris/versions/2/stats', [row]],
      ['/v2/models/iris/stats', [ownRow, row]],
      ['/v2/models/stats', [ownRow, row]],
    ] as const)
      expect(await statistics(path)).toEqual(rows);
    await external.kill();
    expect(await statistics('/v2/models/iris/stats')).toEqual([ownRow]);
  });

  it('is asked in the words that it speaks only; the traffic of others goes to who does, and explain says so', async () => {
    const own = await TestNode.start('own');
    const external = await startExternal();
    const servable = await TestNode.start('servable');
    let state = 'AVAILABLE';
    servable.respond = (req, res) => {
      const { url } = req;
      if (req.method === 'GET') res.end(JSON.stringify({ model_version_status: [{ version: '9', state }] }));
      else if (url === '/v1/models/half/versions/9:predict') res.end('{"predictions":[1]}');
      else res.writeHead(404).end();
    };
    const gateway = await startTestGateway(registry.url);
    await publish(registry, gateway, {
      ...makeSnapshot({
        keys: registry.keys,
        versions: {
          1: [own.replica],
          2: [{ node_id: external.id, address: external.url, serves: { model: 'flowers', version: '7' } }],
          3: [{ ...servable.replica, serves: { model: 'half', version: '9' } }],
        },
        traffic: { split: [1, 2, 3].map((version) => ({ version, weight: 1 })) },
      }),
      external_nodes: [externalNode(external.id), externalNode(servable.id, { protocols: ['tfserving'] })],
    });
    await untilReady(gateway);
    await until(() => versionAt(gateway, 3)?.ready === true, 'version 3 ready');
    const versionsOf = async (path: string) => {
      const answers = await Promise.all(Array.from({ length: 40 }, () => send(gateway, path)));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      return [...new Set(answers.map(({ headers }) => headers.get('x-sluice-version')))].toSorted();
    };
    expect(await versionsOf('/v2/models/iris/infer')).toEqual(['1', '2']);
    expect(await versionsOf('/v1/models/iris:predict')).toEqual(['1', '3']);
    for (const path of ['/v1/models/iris/versions/2:predict', '/v2/models/iris/versions/3/infer']) {
      const refused = await send(gateway, path);
      expect([refused.status, refused.headers.get('x-sluice-code')]).toEqual([501, 'NOT_SUPPORTED']);
    }
    const authorization = `Bearer ${await makeToken(registry.keys, { scope: 'admin' })}`;
    for (const [protocol, silent, speaking] of [
      ['oip', 3, 2],
      ['tfserving', 2, 3],
    ] as const) {
      const query = `endpoint=iris&protocol=${protocol}`;
      const answer = await fetch(`${gateway.adminUrl}/explain?${query}`, { headers: { authorization } });
      expect(await answer.json()).toMatchObject({
        protocol,
        gated: [silent],
        other_protocol: [silent],
        split: [
          { version: 1, share: 0.5 },
          { version: speaking, share: 0.5 },
        ],
        replicas: [{ protocols: ['oip', 'tfserving'] }, { version: speaking, protocols: [protocol] }],
      });
    }
    state = 'UNLOADING';
    await until(() => versionAt(gateway, 3)?.ready === false, 'version 3 is gone');
    expect(await versionsOf('/v1/models/iris:predict')).toEqual(['1']);
  });
});

describe('TLS to nodes', () => {
  const ca = (name = 'ca') => readFile(pem(name), 'utf8');

  it('trusts the private CA of the external node only, and its certificate must bear its name', async () => {
    const external = await startExternal(tlsFiles('node'));
    const gateway = await startTestGateway(registry.url);
    await publish(registry, gateway, snapshotOf([], external));
    const refusals: Partial<SnapshotExternalNode>[] = [
      {},
      { ca_pem: await ca('other-ca') },
      { ca_pem: await ca(), server_name: 'elsewhere.test' },
    ];
    let revision = 1;
    for (const node of refusals) {
      await publish(registry, gateway, snapshotOf([], external, node, ++revision));
      const replica = [...gateway.core.upstreams.all()][0];
      const request = replica?.pool.request({ path: '/v2/health/ready', method: 'GET' });
      await expect(request).rejects.toMatchObject({
        code: expect.stringMatching(/UNABLE_TO_VERIFY|SELF_SIGNED|ALTNAME/) as string,
      });
      expect(versionAt(gateway, 2)?.ready).toBe(false);
    }
    for (const server_name of [null, 'node.test']) {
      await publish(
        registry,
        gateway,
        snapshotOf([], external, { ca_pem: await ca(), server_name }, ++revision),
      );
      await untilReady(gateway);
      expect((await infer(gateway)).status).toBe(200);
    }
  });

  it('trusts the CA of the settings, and shows the client certificate that a node asks for', async () => {
    const external = await startExternal({ ...tlsFiles('node'), clientCa: pem('ca') });
    const trusting = { SLUICE_GATEWAY_NODE_CA: pem('ca') };
    const shows = (name: string) => ({
      ...trusting,
      SLUICE_GATEWAY_NODE_CERT: pem(name),
      SLUICE_GATEWAY_NODE_KEY: pem(`${name}-key`),
    });
    const known = await startTestGateway(registry.url, shows('gateway'));
    await publish(registry, known, snapshotOf([], external));
    await untilReady(known);
    expect((await infer(known)).status).toBe(200);
    for (const settings of [trusting, shows('stranger')]) {
      const unknown = await startTestGateway(registry.url, settings);
      await unknown.ready;
      const replica = [...unknown.core.upstreams.all()][0];
      await expect(replica?.pool.request({ path: '/v2/health/ready', method: 'GET' })).rejects.toThrow();
      expect((await infer(unknown)).status).toBe(503);
    }
  });

  it('takes up changed files: another CA and certificate hold for what is connected from then on', async () => {
    const external = await startExternal({ ...tlsFiles('node'), clientCa: pem('ca') });
    const folder = await makeFolder();
    const files = { ca: join(folder, 'ca'), cert: join(folder, 'cert'), key: join(folder, 'key') };
    const use = async (caName: string, certName: string): Promise<void> => {
      await copyFile(pem(`${certName}-key`), files.key);
      await copyFile(pem(certName), files.cert);
      await copyFile(pem(caName), files.ca);
    };
    await use('other-ca', 'stranger');
    const gateway = await startTestGateway(registry.url, {
      SLUICE_GATEWAY_NODE_CA: files.ca,
      SLUICE_GATEWAY_NODE_CERT: files.cert,
      SLUICE_GATEWAY_NODE_KEY: files.key,
    });
    await publish(registry, gateway, snapshotOf([], external));
    expect((await infer(gateway)).status).toBe(503);
    await use('ca', 'gateway');
    await untilReady(gateway);
    expect((await infer(gateway)).status).toBe(200);
    await use('other-ca', 'gateway');
    const [replica] = [...gateway.core.upstreams.all()];
    const connects = async (): Promise<boolean> => {
      const client = new Client(external.url, replica?.connecting);
      const answer = await client.request({ path: '/v2/health/ready', method: 'GET' }).catch(() => undefined);
      await client.destroy();
      return answer?.statusCode === 200;
    };
    await eventually(async () => !(await connects()) || undefined, 'nothing new connects');
  });

  it('does not start with certificates that are not there, or do not belong together', async () => {
    const start = (settings: Parameters<typeof startTestGateway>[1]) =>
      startTestGateway(registry.url, settings);
    await expect(start({ SLUICE_GATEWAY_NODE_CA: '/nowhere.pem' })).rejects.toThrow('SLUICE_GATEWAY_NODE_CA');
    await expect(start({ SLUICE_GATEWAY_NODE_CERT: pem('gateway') })).rejects.toThrow('go together');
    const other = { SLUICE_GATEWAY_NODE_CERT: pem('gateway'), SLUICE_GATEWAY_NODE_KEY: pem('node-key') };
    await expect(start(other)).rejects.toThrow('usable certificates');
  });
});
