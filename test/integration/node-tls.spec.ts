/** What a node says of its load, and its front over TLS: whom it shows itself to and whom it lets in. */
import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import type { AgentOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { Agent as HttpAgent } from 'undici';
import type { buildConnector } from 'undici';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sluiceHeaders } from '#contracts/oip';
import { loadConfig } from '../../apps/node/src/config.js';
import { NodeUnderTest } from '../support/node.js';
import { identityModel } from '../support/onnx-model.js';

const pem = (name: string): string => `test/fixtures/node-tls/${name}.pem`;
const read = (name: string): string => readFileSync(pem(name), 'utf8');
const tls = { SLUICE_NODE_TLS_CERT: pem('node'), SLUICE_NODE_TLS_KEY: pem('node-key') };

let node: NodeUnderTest;
afterEach(() => node.close());

interface Seen {
  readonly status: number;
  readonly load: string | undefined;
}

async function infer(connect: buildConnector.BuildOptions, model = 'echo'): Promise<Seen> {
  const agent = new HttpAgent({ connect });
  try {
    const { statusCode, headers, body } = await agent.request({
      origin: node.url,
      path: `/v2/models/${model}/infer`,
      method: 'POST',
      headers: { authorization: `Bearer ${await node.registry.token('gateway')}` },
      body: '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}',
    });
    await body.dump();
    return { status: statusCode, load: headers[sluiceHeaders.load]?.toString() };
  } finally {
    await agent.close();
  }
}

const load = (): Promise<unknown> =>
  node.load({ model: 'echo', files: { 'model.onnx': identityModel('FP32', ['n', 2]) } });

describe('a node with a certificate', () => {
  it('serves HTTPS only, registers under https, and tells how many other requests the version has', async () => {
    node = await NodeUnderTest.start(tls);
    await load();
    expect(node.url).toMatch(/^https:/);
    expect(await infer({ ca: read('ca') })).toEqual({ status: 200, load: '0' });
    await expect(infer({ ca: read('other-ca') })).rejects.toThrow(/certificate/);
    await expect(fetch(node.url.replace('https', 'http'))).rejects.toThrow();
    const joining = { SLUICE_NODE_JOIN_TOKEN: 'a-join-token-for-tests' };
    expect(() => loadConfig({ ...joining, SLUICE_NODE_TLS_CERT: pem('node') })).toThrow('go together');
    for (const key of [pem('gateway-key'), '/nowhere.pem'])
      await expect(NodeUnderTest.start({ ...tls, SLUICE_NODE_TLS_KEY: key })).rejects.toThrow(
        /certificate of the node \(SLUICE_NODE_TLS_CERT.* cannot be used/,
      );
  });

  it('lets in only who shows a certificate of its client CA, when it has one', async () => {
    node = await NodeUnderTest.start({ ...tls, SLUICE_NODE_TLS_CLIENT_CA: pem('ca') });
    await load();
    const shown = (name: string) => ({ ca: read('ca'), cert: read(name), key: read(`${name}-key`) });
    expect((await infer(shown('gateway'))).status).toBe(200);
    await expect(infer({ ca: read('ca') })).rejects.toThrow();
    await expect(infer(shown('stranger'))).rejects.toThrow();
  });
});

describe('a node whose certificates change', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'sluice-node-tls-'))));
  afterEach(() => rm(folder, { recursive: true }));

  const fixture = (name: string): string => join('test/fixtures/tls', name);
  const use = (name: string) =>
    Promise.all(
      ['pem', 'key'].map((kind) => copyFile(fixture(`${name}.${kind}`), join(folder, `node.${kind}`))),
    );
  /** Whose certificate the node shows; rejects when it does not take ours. */
  function shownTo(keys: AgentOptions, agent = new Agent({ ca: readFileSync(fixture('ca.pem')), ...keys })) {
    return new Promise<string>((resolve, reject) => {
      get(`${node.url}/v2/health/live`, { agent }, (response) => {
        const { subject } = (response.socket as TLSSocket).getPeerCertificate();
        response.on('end', () => resolve(String(subject.CN))).resume();
      }).on('error', reject);
    });
  }

  it('shows the new one on new connections, asks for the new CA, and drops no connection', async () => {
    await use('first');
    await copyFile(pem('other-ca'), join(folder, 'client-ca.pem'));
    node = await NodeUnderTest.start({
      SLUICE_NODE_TLS_CERT: join(folder, 'node.pem'),
      SLUICE_NODE_TLS_KEY: join(folder, 'node.key'),
      SLUICE_NODE_TLS_CLIENT_CA: join(folder, 'client-ca.pem'),
    });
    const stranger = { cert: read('stranger'), key: read('stranger-key') };
    const gateway = { cert: read('gateway'), key: read('gateway-key') };
    const old = new Agent({
      ca: readFileSync(fixture('ca.pem')),
      keepAlive: true,
      maxSockets: 1,
      ...stranger,
    });
    expect(await shownTo(stranger, old)).toBe('first');
    await expect(shownTo(gateway)).rejects.toThrow();
    await use('second');
    await copyFile(pem('ca'), join(folder, 'client-ca.pem'));
    await vi.waitFor(async () => expect(await shownTo(gateway)).toBe('second'), 10_000);
    await expect(shownTo(stranger)).rejects.toThrow();
    expect(await shownTo(stranger, old)).toBe('first');
    old.destroy();
  });
});

describe('the load that a node tells', () => {
  it('counts the requests of the version that wait or run beside the answered one', async () => {
    node = await NodeUnderTest.start();
    await load();
    const loads = await Promise.all(Array.from({ length: 12 }, async () => Number((await infer({})).load)));
    expect(Math.min(...loads)).toBe(0);
    expect(Math.max(...loads)).toBeGreaterThan(0);
    expect(Math.max(...loads)).toBeLessThan(12);
  });
});
