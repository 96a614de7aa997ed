/**
 * `npm run test:clients`: stock clients of other projects against a whole platform, and stock servers as its external nodes. Needs python3
 * and PyPI, or `--python <file>`: an interpreter that has all packages.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uploadVersion } from '#client/upload';
import { packageRoot } from '#platform/program';
import { identityModel, onnxModel } from '../support/onnx-model.js';
import type { Value } from '../support/onnx-model.js';
import { startPlatform } from '../support/platform.js';
import { makePython, run } from '../support/python.js';
import type { Platform } from '../support/platform.js';
import { checkExternalServers, serverPackages } from './external-servers.js';
import { startLossyProxy } from './lossy-proxy.js';

const packages = [
  'tritonclient[http]==2.73.0',
  'mlflow==3.17.2',
  'psutil==7.2.2',
  'onnx==1.23.2',
  'onnxruntime==1.32.0',
];

const matrix = (name: string): Value => ({ name, type: 'FP32', shape: ['n', 2] });
const models = {
  pair: onnxModel({
    inputs: [matrix('a'), matrix('b')],
    outputs: [matrix('sum'), matrix('difference')],
    ops: [
      { type: 'Add', inputs: ['a', 'b'], outputs: ['sum'] },
      { type: 'Sub', inputs: ['a', 'b'], outputs: ['difference'] },
    ],
  }),
  words: identityModel('BYTES'),
};

async function release(platform: Platform, folder: string, name: string, bytes: Buffer): Promise<void> {
  const file = join(folder, `${name}.onnx`);
  await writeFile(file, bytes);
  await platform.admin.models.create({ body: { name } });
  await uploadVersion(platform.adminOptions, name, [{ path: 'model.onnx', source: file }]);
  await platform.waitForVersion(name, 1, 'READY');
  const params = { endpoint: name };
  const { revision } = await platform.admin.endpoints.read({ params });
  await platform.admin.endpoints.setTraffic({
    params,
    body: { split: [{ version: 1, weight: 1 }] },
    headers: { 'if-match': `"${revision}"` },
  });
}

async function adminToken(platform: Platform): Promise<string> {
  const token = await platform.adminOptions.token?.();
  if (token === undefined) throw new Error('the platform gave no administrator');
  return token;
}

async function servedBy(platform: Platform, token: string, model: string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const url = `${platform.gatewayUrl}/v2/models/${model}/ready`;
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    await answer.body?.cancel();
    if (answer.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the gateway does not serve ${model}`);
}

async function pythons(folder: string, given: string | undefined) {
  if (given !== undefined) return { python: given, kserve: given, mlserver: given };
  const [python, kserve, mlserver] = await Promise.all([
    makePython(join(folder, 'clients'), packages),
    makePython(join(folder, 'kserve'), serverPackages.kserve),
    makePython(join(folder, 'mlserver'), serverPackages.mlserver),
  ]);
  return { python, kserve, mlserver };
}

async function main(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-clients-'));
  const given = process.argv.indexOf('--python');
  const { python, kserve, mlserver } = await pythons(folder, given < 0 ? undefined : process.argv[given + 1]);
  const platform = await startPlatform();
  const { pids } = await platform.connection();
  const lossy = await startLossyProxy(platform.gatewayUrl, pids['registry'] ?? 0);
  try {
    for (const [name, bytes] of Object.entries(models)) await release(platform, folder, name, bytes);
    const token = await (await platform.createCaller(['infer'])).token();
    for (const name of Object.keys(models)) await servedBy(platform, token, name);
    const triton = await run(python, [join(packageRoot, 'test/clients/triton_client.py')], {
      SLUICE_URL: platform.gatewayUrl,
      SLUICE_MODEL: 'pair',
      SLUICE_TOKEN: token,
      SLUICE_ADMIN_TOKEN: await adminToken(platform),
    });
    const mlflow = await run(python, [join(packageRoot, 'test/clients/mlflow_client.py')], {
      MLFLOW_TRACKING_URI: platform.gatewayUrl,
      MLFLOW_TRACKING_TOKEN: await adminToken(platform),
      MLFLOW_HTTP_REQUEST_MAX_RETRIES: '3',
      MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: '0',
      MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: '0.1',
      SLUICE_LOSSY_URL: lossy.url,
      SLUICE_MODEL: 'pair',
      SLUICE_README: join(packageRoot, 'README.md'),
    });
    if (mlflow === 0 && lossy.lost() < 8) throw new Error('no answers got lost');
    await checkExternalServers(platform, token, { kserve, mlserver });
    return triton === 0 ? mlflow : triton;
  } finally {
    await lossy.close();
    await platform.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
