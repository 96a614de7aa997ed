/** A node as a program of its own beside an in-memory registry, with one version loaded at a time, and its bare peer. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VersionConfig } from '#contracts/models';
import type { Assignment, ReplicaReport } from '#contracts/nodes';
import { inferenceNodeFlags, packageRoot } from '#platform/program';
import type { z } from 'zod';
import { NodeRegistry, joinToken } from '../../support/node-registry.js';
import type { Target } from '../load.js';
import { childrenOf, startBareServer } from '../processes.js';
import type { BenchBody } from '../tensors.js';
import { writeModel } from './models.js';
import type { BenchModel } from './models.js';

export type Config = z.input<typeof VersionConfig>;

/** Where to send a load, and whom it costs processor time. */
export interface Server {
  target(body: BenchBody): Target;
  pids(): Record<string, number>;
  stop(): Promise<void>;
}

const tokenSeconds = 3_600;

export class Stage {
  private nextFile = 0;

  private constructor(
    private readonly folder: string,
    private readonly registry: NodeRegistry,
    private readonly child: ChildProcess,
    readonly url: URL,
    private readonly token: string,
  ) {}

  static async start(): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-node-'));
    const registry = new NodeRegistry();
    await registry.start();
    const child = fork(join(packageRoot, 'dist/apps/node/src/main.js'), {
      env: {
        PATH: process.env['PATH'],
        SLUICE_REGISTRY_URL: registry.url,
        SLUICE_NODE_JOIN_TOKEN: joinToken,
        SLUICE_NODE_PORT: '0',
        SLUICE_NODE_NAME: 'bench',
        SLUICE_NODE_DATA_DIR: join(folder, 'node'),
        SLUICE_NODE_DRAIN_GRACE_MS: '0',
        SLUICE_NODE_LEAVE_GRACE_MS: '0',
        SLUICE_LOG_LEVEL: 'error',
      },
      execArgv: [...inferenceNodeFlags],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const [message] = (await once(child, 'message')) as [{ url: string }];
    const token = await registry.token('gateway', tokenSeconds);
    return new Stage(folder, registry, child, new URL(message.url), token);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
    await this.registry.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Loads the model into the node, beside what it has already. */
  async load(
    model: BenchModel,
    config: Config = {},
    name = model.name,
  ): Promise<Server & { readonly report: ReplicaReport }> {
    const assignment = this.registry.assign({ model: name, files: model.files, config });
    const report = await this.settled(assignment, ['READY', 'FAILED']);
    if (report.state === 'FAILED') throw new Error(`${name} did not load: ${report.reason}`);
    const nodePid = this.child.pid ?? Number.NaN;
    return {
      report,
      target: (body) => this.target(this.url, `/v2/models/${name}/infer`, body),
      pids: () => ({
        node: nodePid,
        ...Object.fromEntries(childrenOf(nodePid).map((pid, index) => [`runner ${index + 1}`, pid])),
      }),
      stop: async () => {
        this.registry.unassign(assignment);
        await this.registry.when(() => (this.isGone(assignment) ? true : undefined));
      },
    };
  }

  /** Starts the peer with the model. */
  async startPeer(model: BenchModel, threads: number): Promise<Server> {
    const { child, port } = await startBareServer(writeModel(this.folder, model), threads);
    const url = new URL(`http://127.0.0.1:${port}`);
    return {
      target: (body) => this.target(url, '/', body),
      pids: () => ({ server: child.pid ?? Number.NaN }),
      stop: async () => {
        child.disconnect();
        await once(child, 'exit');
      },
    };
  }

  private settled(assignment: Assignment, states: readonly ReplicaReport['state'][]): Promise<ReplicaReport> {
    return this.registry.whenReported(assignment, ({ state }) => states.includes(state));
  }

  private isGone(assignment: Assignment): boolean {
    const replicas = this.registry.reports.at(-1)?.replicas ?? [];
    return replicas.every(({ version_id }) => version_id !== assignment.version_id);
  }

  private target({ hostname, port }: URL, path: string, { bytes, headers }: BenchBody): Target {
    const file = join(this.folder, `body-${(this.nextFile += 1)}`);
    writeFileSync(file, bytes);
    return {
      host: hostname,
      port: Number(port),
      path,
      headers: { ...headers, authorization: `Bearer ${this.token}` },
      body: { file },
    };
  }
}
