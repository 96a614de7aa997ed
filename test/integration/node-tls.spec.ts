/** What a node says of its load, and its front over TLS: whom it shows itself to and whom it lets in. */
import { readFileSync } from 'node:fs';
import { Agent } from 'undici';
import type { buildConnector } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { sluiceHeaders } from '#contracts/oip';
import { loadConfig } from '../../apps/node/src/config.js';
import { readFrontTls } from '../../apps/node/src/serving/front-tls.js';
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
  const agent = new Agent({ connect });
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
    const join = { SLUICE_NODE_JOIN_TOKEN: 'a-join-token-for-tests' };
    expect(() => loadConfig({ ...join, SLUICE_NODE_TLS_CERT: pem('node') })).toThrow('go together');
    const files = { certFile: pem('node'), keyFile: pem('gateway-key'), clientCaFile: undefined };
    for (const wrong of [files, { ...files, keyFile: '/nowhere.pem' }])
      expect(() => readFrontTls(wrong)).toThrow('SLUICE_NODE_TLS_CERT');
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
