/**
 * `npm run bench:smoke`: predictions per second of the sample model through gateway and node, beside the same model behind
 * bare node:http in one process, in turn, in one run. Writes its section of docs/benchmarks.md.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '#client/client';
import { packageRoot } from '#platform/program';
import { z } from 'zod';
import type { LoadOptions } from './load.js';
import { childrenOf, machine, measure, startBareServer } from './processes.js';
import type { Measured } from './processes.js';
import { writeSection } from './report.js';

const Connection = z.object({
  gateway_url: z.string(),
  client_id: z.string(),
  client_secret: z.string(),
  pids: z.record(z.string(), z.number()),
});
const body = JSON.stringify({
  inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [6.1, 2.8, 4.7, 1.2] }],
});
const quick = process.argv.includes('--quick');
const times = quick ? { warmupMs: 500, durationMs: 1_500 } : { warmupMs: 2_000, durationMs: 8_000 };

async function startPlatform(
  dataDir: string,
): Promise<{ connection: z.infer<typeof Connection>; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [join(packageRoot, 'dist/apps/standalone/src/main.js')], {
    env: {
      ...process.env,
      SLUICE_DATA_DIR: dataDir,
      SLUICE_GATEWAY_PORT: '0',
      SLUICE_REGISTRY_PORT: '0',
      SLUICE_NODES: '1',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const file = join(dataDir, 'connection.json');
  while (!existsSync(file)) {
    if (child.exitCode !== null) throw new Error('the platform did not start');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const stop = async (): Promise<void> => {
    child.kill('SIGINT');
    await once(child, 'exit');
  };
  return { connection: Connection.parse(JSON.parse(readFileSync(file, 'utf8'))), stop };
}

async function tokenOf(connection: z.infer<typeof Connection>): Promise<string> {
  const { client_id, client_secret } = connection;
  const answer = await createClient({ baseUrl: connection.gateway_url }).auth.token({
    body: { grant_type: 'client_credentials', client_id, client_secret },
  });
  return answer.access_token;
}

interface Row {
  readonly connections: number;
  readonly sluice: Measured;
  readonly bare: Measured;
}

async function measureAll(connection: z.infer<typeof Connection>): Promise<Row[]> {
  const gateway = new URL(connection.gateway_url);
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${await tokenOf(connection)}`,
  };
  const nodePid = connection.pids['node-1'] ?? Number.NaN;
  const runners = Object.fromEntries(childrenOf(nodePid).map((pid, i) => [`runner ${i + 1}`, pid]));
  const pids = { gateway: connection.pids['gateway'] ?? Number.NaN, node: nodePid, ...runners };
  const bare = await startBareServer(join(packageRoot, 'apps/standalone/samples/iris-v1.onnx'));
  const rows: Row[] = [];
  for (const connections of [1, 32]) {
    const load = (port: number, path: string): LoadOptions => ({
      host: gateway.hostname,
      port,
      path,
      headers,
      body,
      connections,
      ...times,
    });
    rows.push({
      connections,
      sluice: await measure(load(Number(gateway.port), '/v2/models/iris/versions/1/infer'), pids),
      bare: await measure(load(bare.port, '/'), { server: bare.child.pid ?? Number.NaN }),
    });
  }
  bare.child.disconnect();
  return rows;
}

const total = (measured: Measured): number =>
  Object.values(measured.cpuUsPerRequest).reduce((sum, us) => sum + us, 0);
const split = (measured: Measured): string =>
  Object.entries(measured.cpuUsPerRequest)
    .filter(([, us]) => us >= 1)
    .map(([name, us]) => `${name} ${us.toFixed(0)}`)
    .join(', ');

function table(rows: readonly Row[]): string {
  const line = (name: string, connections: number, m: Measured): string =>
    `| ${name} | ${connections} | ${m.perSecond.toFixed(0)} | ${m.p50Ms.toFixed(2)} | ${m.p99Ms.toFixed(2)} | ${total(m).toFixed(0)} | ${split(m)} |`;
  const lines = rows.flatMap((row) => [
    line('Sluice: gateway → node → runner', row.connections, row.sluice),
    line('bare node:http + onnxruntime-node', row.connections, row.bare),
  ]);
  const ratios = rows.map(
    (row) => `${(row.sluice.perSecond / row.bare.perSecond).toFixed(2)}× at ${row.connections}`,
  );
  return [
    '| what | connections | predictions/s | p50 ms | p99 ms | CPU µs per request | of these |',
    '| --- | ---: | ---: | ---: | ---: | ---: | --- |',
    ...lines,
    '',
    `Sluice's predictions/s as a share of the bare peer's: ${ratios.join(', ')} connections.`,
  ].join('\n');
}

const dataDir = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
const platform = await startPlatform(dataDir);
try {
  const text = `Machine: ${machine()}; ${new Date().toISOString().slice(0, 10)}; ${times.durationMs / 1_000} s each after ${times.warmupMs / 1_000} s of warm-up.\n\n${table(await measureAll(platform.connection))}`;
  process.stdout.write(`${text}\n`);
  if (!quick) writeSection('smoke', text);
} finally {
  await platform.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
