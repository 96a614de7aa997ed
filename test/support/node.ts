/** A node in the test's own process, with real runners, beside an in-memory registry. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '#platform/logger';
import type { Assignment, ReplicaReport } from '#contracts/nodes';
import { loadConfig } from '../../apps/node/src/config.js';
import { startNode } from '../../apps/node/src/node.js';
import type { Node } from '../../apps/node/src/node.js';
import { NodeRegistry, joinToken } from './node-registry.js';
import type { AssignOptions } from './node-registry.js';

export interface Answer {
  readonly status: number;
  readonly code: string | null;
  readonly text: string;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
}

export interface JsonTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: unknown;
}

export class NodeUnderTest {
  private constructor(
    readonly registry: NodeRegistry,
    private readonly folder: string,
    private readonly settings: Readonly<Record<string, string>>,
    private token: string,
    private node: Node,
  ) {}

  static async start(
    settings: Record<string, string> = {},
    logger = createLogger('node', 'silent'),
  ): Promise<NodeUnderTest> {
    const registry = new NodeRegistry();
    await registry.start();
    const folder = await mkdtemp(join(tmpdir(), 'sluice-node-'));
    const all = {
      SLUICE_REGISTRY_URL: registry.url,
      SLUICE_NODE_JOIN_TOKEN: joinToken,
      SLUICE_NODE_PORT: '0',
      SLUICE_NODE_NAME: 'node-under-test',
      SLUICE_NODE_DATA_DIR: folder,
      SLUICE_NODE_DRAIN_GRACE_MS: '50',
      SLUICE_NODE_LEAVE_GRACE_MS: '100',
      SLUICE_LOG_LEVEL: 'silent',
      ...settings,
    };
    const node = await startNode(loadConfig(all), logger);
    await node.registered;
    return new NodeUnderTest(registry, folder, all, await registry.token('gateway'), node);
  }

  get url(): string {
    return this.node.url;
  }

  /** Requests whose callers wait for a model. */
  get inFlight(): number {
    return this.node.inFlight;
  }

  /** Ends the node alone and starts another on the same folder. */
  async restart(): Promise<void> {
    await this.node.close();
    this.node = await startNode(loadConfig(this.settings), createLogger('node', 'silent'));
    await this.node.registered;
  }

  closeNode(): Promise<void> {
    return this.node.close();
  }

  async close(): Promise<void> {
    await this.node.close();
    await this.registry.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Assigns a version and waits until it is READY; throws when it is FAILED. */
  async load(options: AssignOptions): Promise<{ assignment: Assignment; report: ReplicaReport }> {
    const assignment = this.registry.assign(options);
    const report = await this.registry.whenReported(
      assignment,
      ({ state }) => state === 'READY' || state === 'FAILED',
    );
    if (report.state === 'FAILED') throw new Error(`the version did not load: ${report.reason}`);
    return { assignment, report };
  }

  async renewToken(): Promise<void> {
    this.token = await this.registry.token('gateway');
  }

  async send(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = { authorization: `Bearer ${this.token}`, ...(init.headers as Record<string, string>) };
    const response = await fetch(this.url + path, { method, ...init, headers });
    const text = await response.text();
    const isJson = text.startsWith('{') && !/[:[,]-?(?:NaN|Infinity)/.test(text);
    const body = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
    return {
      status: response.status,
      code: response.headers.get('x-sluice-code'),
      text,
      body,
      headers: response.headers,
    };
  }

  infer(
    target: string,
    inputs: readonly JsonTensor[],
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return this.send('POST', `/v2/models/${target}/infer`, { body: JSON.stringify({ inputs }), headers });
  }
}
