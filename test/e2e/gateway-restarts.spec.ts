/** Gateways as processes behind a balancer, as operators run them: they leave and come back under load, also while the registry is away. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  TestNode,
  TestRegistry,
  cleanUp,
  joinToken,
  makeFolder,
  makeSnapshot,
  makeToken,
  onCleanUp,
  until,
} from '../integration/gateway-harness.js';
import { startProgram } from '../support/program.js';
import type { Program } from '../support/program.js';

let registry: TestRegistry;
let node: TestNode;
let authorization: string;
beforeEach(async () => {
  registry = await TestRegistry.start();
  node = await TestNode.start('one');
  authorization = `Bearer ${await makeToken(registry.keys)}`;
  registry.publish(makeSnapshot({ keys: registry.keys, versions: { 1: [node.replica] } }));
});
afterEach(cleanUp);

async function startGateway(folder: string): Promise<Program> {
  const gateway = await startProgram('gateway/src/main', {
    SLUICE_REGISTRY_URL: registry.url,
    SLUICE_GATEWAY_JOIN_TOKEN: joinToken,
    SLUICE_GATEWAY_NAME: 'gateway-test',
    SLUICE_GATEWAY_PORT: '0',
    SLUICE_GATEWAY_ADMIN_PORT: '0',
    SLUICE_GATEWAY_DATA_DIR: folder,
    SLUICE_GATEWAY_ACCESS_LOG_SHARE: '0',
  });
  onCleanUp(() => gateway.end('SIGKILL'));
  return gateway;
}

interface Target {
  readonly pool: Pool;
  isReady: boolean;
}

const checkEveryMs = 200;

/** Keeps connections, asks for readiness now and then, and never sends anything twice. */
class Balancer {
  readonly targets = new Map<string, Target>();
  private turn = 0;
  private readonly server: Server = createServer((req, res) => {
    const ready = [...this.targets.values()].filter(({ isReady }) => isReady);
    const target = ready[(this.turn += 1) % ready.length];
    if (!target) return void res.writeHead(502).end();
    const { url: path = '/', method, headers } = req;
    target.pool
      .stream(
        { path, method: method as 'POST', headers: { authorization: headers.authorization }, body: req },
        ({ statusCode }) => res.writeHead(statusCode),
      )
      .catch(() => res.headersSent || res.writeHead(502).end());
  });
  private readonly timer = setInterval(() => void this.check(), checkEveryMs);

  async listen(): Promise<string> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
    onCleanUp(async () => {
      clearInterval(this.timer);
      await Promise.all([...this.targets.values()].map(({ pool }) => pool.destroy()));
      this.server.closeAllConnections();
      this.server.close();
    });
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  add(url: string): void {
    this.targets.set(url, { pool: new Pool(url, { connections: 16 }), isReady: true });
  }

  private async check(): Promise<void> {
    for (const target of this.targets.values()) {
      const answer = await target.pool
        .request({ path: '/v2/health/ready', method: 'GET' })
        .then(async ({ statusCode, body }) => (await body.dump(), statusCode))
        .catch(() => 0);
      target.isReady = answer === 200;
    }
  }
}

async function infer(url: string): Promise<number> {
  const response = await fetch(`${url}/v2/models/iris/infer`, {
    method: 'POST',
    body: '{}',
    headers: { authorization },
  });
  await response.arrayBuffer();
  return response.status;
}

describe('gateways behind a balancer', () => {
  it('are told to end one after the other under load, and no request is lost', async () => {
    // So that there always is something under way.
    node.respond = (_req, res) => void setTimeout(() => res.end('{}'), 20);
    const folders = [await makeFolder(), await makeFolder()];
    const gateways = await Promise.all(folders.map(startGateway));
    const balancer = new Balancer();
    for (const { url } of gateways) balancer.add(url);
    const url = await balancer.listen();
    const statuses = new Map<number, number>();
    let isOver = false;
    const caller = async (): Promise<void> => {
      while (!isOver) {
        const status = await infer(url);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const callers = Array.from({ length: 8 }, caller);
    for (const [at, gateway] of gateways.entries()) {
      await gateway.end('SIGTERM');
      balancer.targets.delete(gateway.url);
      const next = await startGateway(folders[at] ?? '');
      balancer.add(next.url);
    }
    isOver = true;
    await Promise.all(callers);
    expect([...statuses.keys()]).toEqual([200]);
    expect(statuses.get(200)).toBeGreaterThan(100);
  });
});

describe('a gateway that comes back while the registry is away', () => {
  it('serves within 2 s of its start, after an end without warning', { retry: 2 }, async () => {
    const folder = await makeFolder();
    const first = await startGateway(folder);
    expect(await infer(first.url)).toBe(200);
    await until(() => existsSync(join(folder, 'snapshot.json')), 'the snapshot is on disk');
    await first.end('SIGKILL');
    await registry.stop();
    const startMs = performance.now();
    const second = await startGateway(folder);
    expect(await infer(second.url)).toBe(200);
    // Where more processes want to run than there are cores, each gets only its share of the time.
    const slowdown = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
    expect(performance.now() - startMs).toBeLessThan(2_000 * slowdown);
  });
});
