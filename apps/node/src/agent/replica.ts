/**
 * One version at one config revision on this node, from assignment to unload:
 * ASSIGNED → FETCHING → LOADING → READY → DRAINING → gone, or FAILED on the way. It does what it is told by the
 * set of replicas and says when its state changes; it decides nothing about other replicas.
 */
import { join } from 'node:path';
import { backoffMs, pause } from '#client/backoff';
import { allot, memoryOfRunners, neededInstances } from '#contracts/allotment';
import type { Allotment } from '#contracts/allotment';
import type { Assignment, ReplicaReport, ReplicaState } from '#contracts/nodes';
import type { Profile, Signature } from '#contracts/tensors';
import type { CodecLimits } from '#inference/limits';
import { v7 } from 'uuid';
import { messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { batchLimits } from '../serving/model-config.js';
import type { LoadedMessage } from '../runner/messages.js';
import type { ServedVersion } from '../serving/model-table.js';
import { RunnerPool } from '../serving/runner-pool.js';
import type { CrewLimits } from '../serving/crew.js';
import type { KeptBytes } from '../serving/kept-bytes.js';
import { LoadError } from '../serving/runner-process.js';
import type { ArtifactCache } from './artifact-cache.js';
import type { Tenant } from './memory-budget.js';
import { fetchPatiently } from './patient-fetch.js';
import { fillFolder, removeFolder } from './version-folder.js';
import type { LinkedFile } from './version-folder.js';

export interface ReplicaContext {
  readonly cache: Pick<ArtifactCache, 'fetch' | 'verify'>;
  /** Folder that holds one folder per replica. */
  readonly versionsFolder: string;
  readonly limits: CrewLimits;
  /** For the bodies of requests that another runner may have to take. */
  readonly kept: KeptBytes;
  /** What the decoders of its runners take. */
  readonly codec: CodecLimits;
  readonly cores: number;
  /** How long a leaving replica goes on taking callers, for gateways to learn of it. */
  readonly drainGraceMs: number;
  /** Resolves when the version may load so much; what it returns is to be called when it has. */
  readonly makeRoom: (versionId: string, bytes: number, signal: AbortSignal) => Promise<() => void>;
  /** A version has no job any more. */
  readonly onIdle: () => void;
  readonly logger: Logger;
  readonly random: () => number;
  readonly nowMs: () => number;
  readonly onChange: () => void;
}

const retryBackoff = { firstMs: 5_000, maxMs: 300_000 };
/** Longest reason that a report may carry. */
const maxReasonChars = 8_000;

const evictedReason = 'loaded on demand';

export class Replica implements Tenant {
  state: ReplicaState = 'ASSIGNED';
  retryAtMs: number | undefined;
  private reason: string | null = null;
  /** What is worth knowing of the load although it succeeded. */
  private remark: string | null = null;
  private permanent = false;
  private loaded:
    { readonly pool: RunnerPool; readonly signature: Signature; readonly profile: Profile } | undefined;
  private failures = 0;
  private takesCallers = true;
  /** Replaced at each new beginning; aborting it ends what is under way. */
  private life = new AbortController();
  /** Its own files under their own names; no other replica uses the folder. */
  readonly folder: string;
  private readonly allotment: Allotment;

  constructor(
    readonly assignment: Assignment,
    private readonly context: ReplicaContext,
  ) {
    this.folder = join(context.versionsFolder, v7());
    this.allotment = allot(assignment.config, context.cores);
  }

  get version_id(): string {
    return this.assignment.version_id;
  }

  get config_revision(): number {
    return this.assignment.config_revision;
  }

  get residentBytes(): number {
    return this.loaded?.pool.residentBytes ?? 0;
  }

  get inFlight(): number {
    return this.loaded?.pool.inFlight ?? 0;
  }

  get isPinned(): boolean {
    return this.assignment.config.pinned;
  }

  get isEvictable(): boolean {
    return this.state === 'READY' && !this.isPinned && this.loaded?.pool.isEvictable === true;
  }

  get lastUsedMs(): number {
    return this.loaded?.pool.lastUsedMs ?? 0;
  }

  evict(): void {
    this.loaded?.pool.evict();
  }

  inspect(): void {
    this.loaded?.pool.inspect();
  }

  get report(): ReplicaReport {
    const { state, reason, permanent, loaded } = this;
    const signature = loaded?.signature ?? null;
    const profile = loaded?.profile ?? null;
    const { version_id, config_revision } = this.assignment;
    return { version_id, config_revision, state, reason, permanent, signature, profile };
  }

  /** What callers can be given, while there is something. */
  get served(): ServedVersion | undefined {
    const { state, loaded, assignment } = this;
    if (!loaded || !this.takesCallers || (state !== 'READY' && state !== 'DRAINING')) return undefined;
    return {
      model: assignment.model,
      version: assignment.version,
      configRevision: assignment.config_revision,
      state,
      signature: loaded.signature,
      defaultTimeoutMs: assignment.config.default_timeout_ms,
      batching: batchLimits(loaded.profile, loaded.signature, assignment.config),
      instances: this.instancesOf(loaded),
      pool: loaded.pool,
    };
  }

  /** Fetches and loads, from the start; also the second and later tries. */
  async begin(): Promise<void> {
    this.life = new AbortController();
    const { signal } = this.life;
    this.retryAtMs = undefined;
    this.permanent = false;
    try {
      this.enter('FETCHING');
      const entryPath = await this.materialise(signal);
      const settled = await this.makeRoom(this.guessedBytes);
      try {
        signal.throwIfAborted();
        await this.load(entryPath, signal);
      } finally {
        settled();
      }
    } catch (error) {
      if (!signal.aborted) this.fail(await this.explain(error));
    }
  }

  /** Leaves: serves for the grace and until callers are done, then unloads. Resolves to whether it left (not revived). */
  async drain(): Promise<boolean> {
    const { pool } = this.loaded ?? {};
    const life = new AbortController();
    this.life = life;
    this.enter('DRAINING');
    await pause(this.context.drainGraceMs, life.signal);
    if (!life.signal.aborted) {
      this.takesCallers = false;
      this.context.onChange();
      await pool?.whenIdle();
    }
    if (life.signal.aborted) return false;
    this.close();
    return true;
  }

  revive(): void {
    this.life.abort();
    this.life = new AbortController();
    this.takesCallers = true;
    this.enter('READY');
  }

  /** Ends at once whatever it does. */
  close(): void {
    this.life.abort();
    this.loaded?.pool.close();
    this.loaded = undefined;
  }

  /** Resolves when no caller waits for it. */
  async whenIdle(): Promise<void> {
    await this.loaded?.pool.whenIdle();
  }

  /** Bytes that rotted on this disk look like a bad model: say so, and fetch them again at the next try. */
  private async explain(error: unknown): Promise<unknown> {
    if (!(error instanceof LoadError) || !error.permanent) return error;
    for (const { path, sha256 } of this.assignment.files)
      if (!(await this.context.cache.verify(sha256)))
        return new Error(`the cached bytes of ${path} were damaged on this node's disk`, { cause: error });
    return error;
  }

  private async materialise(signal: AbortSignal): Promise<string> {
    const { files, entry_file } = this.assignment;
    await removeFolder(this.folder);
    const links: LinkedFile[] = [];
    const { cache, random } = this.context;
    const onTrouble = (trouble: string): void => this.note(trouble);
    for (const file of files)
      links.push({
        path: file.path,
        source: await fetchPatiently(cache, file, { signal, random, onTrouble }),
      });
    await fillFolder(this.folder, links);
    return join(this.folder, entry_file);
  }

  private instancesOf({ profile, signature }: Pick<LoadedMessage, 'profile' | 'signature'>): number {
    return neededInstances(this.assignment.config, this.allotment, { ...profile, signature });
  }

  /** What it may take before it has been measured here. */
  private get guessedBytes(): number {
    const fileBytes = this.assignment.files.reduce((bytes, file) => bytes + file.size_bytes, 0);
    return memoryOfRunners(this.allotment.instances, { measuredBytes: null, fileBytes });
  }

  private makeRoom(bytes: number): Promise<() => void> {
    return this.context.makeRoom(this.version_id, bytes, this.life.signal);
  }

  private async load(entryPath: string, signal: AbortSignal): Promise<void> {
    const { model, version, config } = this.assignment;
    const { allotment } = this;
    this.enter('LOADING');
    const { pool, loaded } = await RunnerPool.start({
      ...this.context,
      load: {
        model,
        version: String(version),
        entryPath,
        limits: this.context.codec,
        config: { ...config, intra_op_threads: allotment.intraOpThreads },
      },
      instances: (first) => this.instancesOf(first),
      queue: config,
      onHealth: (trouble) => this.onHealth(trouble),
      onResidency: (isResident) => this.onResidency(isResident),
      makeRoom: (bytes) => this.makeRoom(bytes),
    });
    if (signal.aborted) {
      pool.close();
      return;
    }
    if (loaded.warmupSkipped !== null)
      this.context.logger.warn({ model, version, reason: loaded.warmupSkipped }, 'the warm-up run failed');
    this.loaded = { pool, signature: loaded.signature, profile: loaded.profile };
    this.failures = 0;
    this.remark = loaded.warmupSkipped === null ? null : `warm-up skipped: ${loaded.warmupSkipped}`;
    this.enter('READY', this.remark);
  }

  private onResidency(isResident: boolean): void {
    const wasResident = this.reason !== evictedReason;
    if (this.state === 'READY' && isResident !== wasResident)
      this.enter('READY', isResident ? this.remark : evictedReason);
  }

  /** The pool brings its runners back by itself; meanwhile the replica is shown as what it is. */
  private onHealth(trouble: string | null): void {
    if (!this.loaded || this.state === 'DRAINING') return;
    if (trouble !== null) this.enter('FAILED', trouble);
    else if (this.state === 'FAILED') this.enter('READY', this.remark);
  }

  private fail(error: unknown): void {
    this.failures += 1;
    this.permanent = error instanceof LoadError && error.permanent;
    if (!this.permanent)
      this.retryAtMs = this.context.nowMs() + backoffMs(retryBackoff, this.failures, this.context.random);
    this.enter('FAILED', messageOf(error));
  }

  private enter(state: ReplicaState, reason: string | null = null): void {
    const { model, version, config_revision } = this.assignment;
    this.context.logger.info({ model, version, config_revision, state, reason }, 'replica state');
    this.state = state;
    this.note(reason);
  }

  private note(reason: string | null): void {
    this.reason = reason === null ? null : reason.slice(0, maxReasonChars);
    this.context.onChange();
  }
}
