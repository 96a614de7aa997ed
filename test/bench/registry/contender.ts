/** The two servers: each a program of its own on the same PostgreSQL, spoken to by MLflow's REST. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createClient } from '#client/client';
import { packageRoot } from '#platform/program';
import { migrate } from '../../../apps/registry/src/schema.js';
import { freePort } from '../../support/free-port.js';

export interface Contender {
  readonly name: string;
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

const secret = 'a-secret-for-the-benchmark';

export async function startSluice(databaseUrl: string, folder: string): Promise<Contender> {
  await migrate(databaseUrl);
  const port = await freePort();
  const child = spawn(process.execPath, [join(packageRoot, 'dist/apps/registry/src/main.js')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      SLUICE_REGISTRY_PORT: String(port),
      SLUICE_ARTIFACTS_DIR: join(folder, 'artifacts'),
      SLUICE_NODE_JOIN_TOKEN: secret,
      SLUICE_GATEWAY_JOIN_TOKEN: secret,
      SLUICE_ADMIN_CLIENT_SECRET: secret,
      SLUICE_TOKEN_TTL_S: '3600',
      SLUICE_LOG_LEVEL: 'silent',
    },
  });
  await answers(child, `http://127.0.0.1:${port}/health`);
  const { access_token: token } = await createClient({ baseUrl: `http://127.0.0.1:${port}` }).auth.token({
    body: { grant_type: 'client_credentials', client_id: 'admin', client_secret: secret },
  });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return { name: 'Sluice, 1 process', port, headers, stop: () => stop(child) };
}

/** As its manual starts it, with as many workers as the machine has cores. */
export async function startMlflow(databaseUrl: string, folder: string, python: string): Promise<Contender> {
  const port = await freePort();
  const options = {
    'backend-store-uri': databaseUrl.replace('postgres://', 'postgresql+psycopg2://'),
    'artifacts-destination': join(folder, 'mlflow-artifacts'),
    host: '127.0.0.1',
    port: String(port),
    workers: '2',
    // A worker that is busy for 5 s is no dead one.
    'uvicorn-opts': '--timeout-worker-healthcheck 60',
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(join(dirname(python), 'mlflow'), ['server', ...args], {
    stdio: 'ignore',
    cwd: folder,
    // Its workers are children of children; they end together.
    detached: true,
  });
  await answers(child, `http://127.0.0.1:${port}/health`);
  const headers = { 'content-type': 'application/json' };
  return { name: 'mlflow server, 2 workers', port, headers, stop: () => stop(child, true) };
}

async function stop(child: ChildProcess, isGroup = false): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  process.kill(isGroup ? -child.pid : child.pid, 'SIGTERM');
  await ended;
}

/** Asks again until it answers: neither program tells its parent. */
async function answers(child: ChildProcess, url: string): Promise<void> {
  const deadlineMs = Date.now() + 180_000;
  while (Date.now() < deadlineMs) {
    if (child.exitCode !== null) throw new Error(`${url}: the server ended with ${child.exitCode}`);
    const status = await fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${url} does not answer`);
}

/** One call of MLflow's REST. */
export async function call(
  { port, headers }: Contender,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}
