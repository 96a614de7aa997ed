/**
 * A registry as a node sees it: joins, leases, assignments by long poll, artifacts with Range, public keys. In memory and
 * under the test's control, for what a real registry would not do on demand: vanish, forget, break off, change its keys.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { CryptoKey } from 'jose';
import { v7 } from 'uuid';
import { VersionConfig } from '#contracts/models';
import { RegisterNode, RenewLease } from '#contracts/nodes';
import type { Assignment, ReplicaReport } from '#contracts/nodes';
import type { z } from 'zod';

export const joinToken = 'join-token-of-the-node-tests';
const issuer = 'https://registry.test';
const audience = 'sluice';

export interface AssignOptions {
  readonly model: string;
  readonly version?: number;
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly config?: z.input<typeof VersionConfig>;
  readonly aliases?: readonly string[];
}

interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
}

export class NodeRegistry {
  readonly artifacts = new Map<string, Uint8Array>();
  readonly artifactRequests: { readonly sha256: string; readonly range: string | undefined }[] = [];
  registrations: RegisterNode[] = [];
  reports: RenewLease[] = [];
  jwksRequests = 0;
  leaseMs = 3_000;
  /** Cut an artifact answer after this many bytes, so many times. */
  breaks = { afterBytes: 0, times: 0 };
  private server: Server | undefined;
  private port = 0;
  private nodeId = v7();
  private epoch = 0;
  private revision = 1;
  private assignments: Assignment[] = [];
  private readonly watchers = new Set<() => void>();
  private readonly publicKeys: object[] = [];
  private key: SigningKey | undefined;

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    if (!this.key) await this.rotateKey();
    this.server = createServer((req, res) => void this.answer(req, res));
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Drops every connection and listens no more; `start` brings it back on the same port. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (!server) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }

  async rotateKey(): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const kid = v7();
    this.publicKeys.push({ ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' });
    this.key = { kid, privateKey };
  }

  token(scope: string, expiresInS = 900): Promise<string> {
    if (!this.key) throw new Error('the registry has not started');
    return new SignJWT({ scope })
      .setProtectedHeader({ alg: 'ES256', kid: this.key.kid })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(`gateway:${v7()}`)
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1_000) + expiresInS)
      .sign(this.key.privateKey);
  }

  /** The node's lease and credential are no longer good. */
  forgetNode(): void {
    this.epoch += 1;
    this.wake();
  }

  assign(options: AssignOptions): Assignment {
    const files = Object.entries(options.files).map(([path, bytes]) => {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      this.artifacts.set(sha256, bytes);
      return { path, sha256, size_bytes: bytes.length };
    });
    const assignment: Assignment = {
      version_id: v7(),
      model: options.model,
      version: options.version ?? 1,
      aliases: [...(options.aliases ?? [])],
      entry_file: files.find(({ path }) => path.endsWith('.onnx'))?.path ?? 'model.onnx',
      files,
      config_revision: 1,
      config: VersionConfig.parse(options.config ?? {}),
    };
    this.setAssignments([...this.assignments, assignment]);
    return assignment;
  }

  /** Gives the versions other aliases, all at once. */
  rename(aliases: ReadonlyMap<Assignment, string[]>): void {
    const named = new Map([...aliases].map(([{ version_id }, names]) => [version_id, names]));
    this.setAssignments(
      this.assignments.map((one) => ({ ...one, aliases: named.get(one.version_id) ?? one.aliases })),
    );
  }

  unassign(...gone: readonly Assignment[]): void {
    this.setAssignments(this.assignments.filter((one) => !gone.some((g) => g.version_id === one.version_id)));
  }

  reconfigure(assignment: Assignment, config: z.input<typeof VersionConfig>): Assignment {
    const changed = {
      ...assignment,
      config: VersionConfig.parse(config),
      config_revision: assignment.config_revision + 1,
    };
    this.setAssignments(
      this.assignments.map((one) => (one.version_id === assignment.version_id ? changed : one)),
    );
    return changed;
  }

  /** Resolves with the first report (also an earlier one's last state) in which the version fits. */
  async whenReported(
    assignment: Assignment,
    fits: (report: ReplicaReport) => boolean,
  ): Promise<ReplicaReport> {
    return this.when(() =>
      this.reports
        .at(-1)
        ?.replicas.find(
          (one) =>
            one.version_id === assignment.version_id &&
            one.config_revision === assignment.config_revision &&
            fits(one),
        ),
    );
  }

  /** Resolves when `read` gives something; looked at after each call of the node. */
  async when<T>(read: () => T | undefined): Promise<T> {
    for (;;) {
      const found = read();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.watchers.add(resolve));
    }
  }

  private setAssignments(assignments: Assignment[]): void {
    this.assignments = assignments;
    this.revision += 1;
    this.wake();
  }

  private wake(): void {
    const watchers = [...this.watchers];
    this.watchers.clear();
    for (const watcher of watchers) watcher();
  }

  private async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', this.url);
    const body = await readJson(req);
    if (url.pathname === '/.well-known/jwks.json') {
      this.jwksRequests += 1;
      json(res, 200, { keys: this.publicKeys });
    } else if (url.pathname === '/api/v1/nodes/register') await this.register(req, res, body);
    else if (url.pathname.startsWith('/api/v1/artifacts/')) this.sendArtifact(req, res, url);
    else if (req.headers.authorization !== `Bearer ${this.credential}`) problem(res, 409, 'LEASE_LOST');
    else if (url.pathname.endsWith('/lease')) {
      this.reports.push(RenewLease.parse(body));
      json(res, 200, await this.lease());
      this.wake();
    } else if (url.pathname.endsWith('/assignments')) await this.sendAssignments(res, url);
    else problem(res, 404, 'NOT_FOUND');
  }

  private credential = '';
  private credentialEpoch = -1;

  private async lease(): Promise<object> {
    if (this.credentialEpoch !== this.epoch) {
      this.credential = await this.token('node');
      this.credentialEpoch = this.epoch;
    }
    return {
      node_id: this.nodeId,
      credential: this.credential,
      lease_ms: this.leaseMs,
      renew_every_ms: Math.floor(this.leaseMs / 3),
    };
  }

  private async register(req: IncomingMessage, res: ServerResponse, body: unknown): Promise<void> {
    if (req.headers.authorization !== `Bearer ${joinToken}`) {
      problem(res, 401, 'UNAUTHENTICATED');
      return;
    }
    this.registrations.push(RegisterNode.parse(body));
    this.epoch += 1;
    json(res, 200, await this.lease());
    this.wake();
  }

  private async sendAssignments(res: ServerResponse, url: URL): Promise<void> {
    const after = Number(url.searchParams.get('after') ?? 0);
    const waitMs = Number(url.searchParams.get('wait_ms') ?? 0);
    const { epoch } = this;
    if (this.revision === after && waitMs > 0) {
      const timer = setTimeout(() => this.wake(), waitMs);
      await Promise.race([
        this.when(() => (this.revision !== after || this.epoch !== epoch ? true : undefined)),
        once(res, 'close'),
      ]);
      clearTimeout(timer);
    }
    if (this.epoch !== epoch) problem(res, 409, 'LEASE_LOST');
    else json(res, 200, { revision: this.revision, assignments: this.assignments });
  }

  private sendArtifact(req: IncomingMessage, res: ServerResponse, url: URL): void {
    const sha256 = url.pathname.split('/').at(-1) ?? '';
    const bytes = this.artifacts.get(sha256);
    const { range } = req.headers;
    this.artifactRequests.push({ sha256, range });
    if (!bytes) {
      problem(res, 404, 'ARTIFACT_NOT_FOUND');
      return;
    }
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const rest = bytes.subarray(start);
    const headers: Record<string, string | number> = { 'content-length': rest.length };
    if (start > 0) headers['content-range'] = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    res.writeHead(start > 0 ? 206 : 200, headers);
    if (this.breaks.times === 0 || rest.length <= this.breaks.afterBytes) {
      res.end(rest);
      return;
    }
    this.breaks.times -= 1;
    res.write(rest.subarray(0, this.breaks.afterBytes), () => setTimeout(() => res.destroy(), 200));
  }
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString());
}

function json(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function problem(res: ServerResponse, status: number, code: string): void {
  const body = { type: 'about:blank', title: code, status, code, detail: code, retryable: false };
  res.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body));
}
