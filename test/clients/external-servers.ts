/**
 * Servers of other projects as external nodes of a whole platform: KServe and MLServer each serve a version of `pair` beside the node
 * that serves version 1. They are found ready, take their part of the traffic, and leave it when they die.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { packageRoot } from '#platform/program';
import { freePort } from '../support/free-port.js';
import { eventually } from '../support/platform.js';
import type { Platform } from '../support/platform.js';

/** What each server is installed from: they want different versions of the same packages. */
export const serverPackages = { kserve: ['kserve==0.21.0'], mlserver: ['mlserver==1.7.1'] } as const;
export type ServerPythons = Readonly<Record<keyof typeof serverPackages, string>>;

interface Server {
  readonly name: string;
  readonly url: string;
  /** What it calls the version; null: it has no versions. */
  readonly servedVersion: string | null;
  kill(): Promise<void>;
}

const folder = join(packageRoot, 'test/clients/servers');
const model = 'pair';

async function start(
  name: string,
  servedVersion: string | null,
  command: string,
  args: readonly string[],
  port: number,
  env: Record<string, string> = {},
): Promise<Server> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  const exited = once(child, 'exit');
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-5_000)));
  const url = `http://127.0.0.1:${port}`;
  await eventually(
    async () => {
      assert.equal(child.exitCode, null, `${name} has ended`);
      const answer = await fetch(`${url}/v2/models/${model}/ready`).catch(() => undefined);
      await answer?.body?.cancel();
      return answer?.status === 200 || undefined;
    },
    `${name} is ready`,
    60_000,
  );
  return {
    name,
    url,
    servedVersion,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function startServers(pythons: ServerPythons): Promise<Server[]> {
  const [kservePort, ...ports] = await Promise.all(Array.from({ length: 4 }, freePort));
  const [http, grpc, metrics] = ports.map(String);
  return Promise.all([
    start(
      'kserve',
      null,
      pythons.kserve,
      [join(folder, 'kserve_pair.py'), String(kservePort)],
      kservePort ?? 0,
    ),
    start(
      'mlserver',
      'v7',
      join(dirname(pythons.mlserver), 'mlserver'),
      ['start', join(folder, 'mlserver')],
      Number(http),
      {
        MLSERVER_HOST: '127.0.0.1',
        MLSERVER_HTTP_PORT: http ?? '',
        MLSERVER_GRPC_PORT: grpc ?? '',
        MLSERVER_METRICS_PORT: metrics ?? '',
        MLSERVER_PARALLEL_WORKERS: '0',
      },
    ),
  ]);
}

const tensors = [
  { name: 'a', shape: [2, 2], datatype: 'FP32', data: [1.5, 2, 3, 4] },
  { name: 'b', shape: [2, 2], datatype: 'FP32', data: [10, 20, 30, 40] },
];
const wanted = { sum: [11.5, 22, 33, 44], difference: [-8.5, -18, -27, -36] };

/** The same in the protocol's binary extension. */
function binaryRequest(): { body: Buffer; headers: Record<string, string> } {
  const parts = tensors.map(({ data }) => Buffer.from(Float32Array.from(data).buffer));
  const inputs = tensors.map(({ name, shape, datatype }, index) => ({
    name,
    shape,
    datatype,
    parameters: { binary_data_size: parts[index]?.length },
  }));
  const head = Buffer.from(JSON.stringify({ inputs }));
  return {
    body: Buffer.concat([head, ...parts]),
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(head.length),
    },
  };
}

class Caller {
  constructor(
    private readonly platform: Platform,
    private readonly token: string,
  ) {}

  /** Checks the answer. @returns which version gave it */
  async infer(
    pin = '',
    request: { body: Buffer | string; headers: Record<string, string> } = {
      body: JSON.stringify({ inputs: tensors }),
      headers: { 'content-type': 'application/json' },
    },
  ): Promise<string | null> {
    const answer = await fetch(`${this.platform.gatewayUrl}/v2/models/${model}${pin}/infer`, {
      method: 'POST',
      ...request,
      headers: { ...request.headers, authorization: `Bearer ${this.token}` },
    });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    const { outputs } = JSON.parse(text) as { outputs: { name: string; data: number[] }[] };
    assert.deepEqual(Object.fromEntries(outputs.map(({ name, data }) => [name, data])), wanted);
    return answer.headers.get('x-sluice-version');
  }

  async versionsOf(requests: number): Promise<string[]> {
    const seen = new Set<string | null>();
    for (let i = 0; i < requests; i += 1) seen.add(await this.infer());
    return [...seen].map(String).toSorted();
  }
}

async function register({ admin }: Platform, { name, url, servedVersion }: Server): Promise<number> {
  const { version } = await admin.externalNodes.createVersion({
    params: { model },
    body: { description: name },
  });
  const serves = [{ model, version, served_model: model, served_version: servedVersion }];
  await admin.externalNodes.put({ params: { node: name }, body: { address: url, serves } });
  return version;
}

const untilNode = ({ admin }: Platform, name: string, state: string): Promise<unknown> =>
  eventually(async () => {
    const { items } = await admin.nodes.list({ query: { page_size: 100 } });
    return items.some((node) => node.name === name && node.external && node.state === state) || undefined;
  }, `${name} is ${state}`);

async function setSplit({ admin }: Platform, versions: readonly number[]): Promise<void> {
  const params = { endpoint: model };
  const { revision } = await admin.endpoints.read({ params });
  await admin.endpoints.setTraffic({
    params,
    body: { split: versions.map((version) => ({ version, weight: 1 })) },
    headers: { 'if-match': `"${revision}"` },
  });
}

/** @throws when something is not as it should be */
export async function checkExternalServers(
  platform: Platform,
  token: string,
  pythons: ServerPythons,
): Promise<void> {
  const servers = await startServers(pythons);
  const caller = new Caller(platform, token);
  const say = (text: string): boolean => process.stdout.write(`ok      ${text}\n`);
  try {
    const versions: number[] = [];
    for (const server of servers) versions.push(await register(platform, server));
    for (const { name } of servers) await untilNode(platform, name, 'READY');
    say('kserve and mlserver are nodes, and ready');
    for (const version of versions) assert.equal(await caller.infer(`/versions/${version}`), String(version));
    assert.equal(await caller.infer(`/versions/${versions[0]}`, binaryRequest()), String(versions[0]));
    say('kserve and mlserver answer in JSON, kserve in binary too');
    await setSplit(platform, [1, ...versions]);
    const all = ['1', ...versions.map(String)].toSorted();
    await eventually(
      async () => (await caller.versionsOf(30)).join() === all.join() || undefined,
      'the split',
    );
    say('each takes its part of the traffic');
    await servers[0]?.kill();
    await untilNode(platform, 'kserve', 'LOST');
    assert.deepEqual(
      await caller.versionsOf(30),
      all.filter((version) => version !== String(versions[0])),
    );
    say('one that dies is found to be lost, and its share goes to the others');
    await setSplit(platform, [1]);
  } finally {
    for (const server of servers) await server.kill();
  }
}
