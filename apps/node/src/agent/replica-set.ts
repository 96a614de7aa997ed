/**
 * All replicas of this node: carries out what `reconcile` decides, keeps the model table in step, and knows which
 * artifacts are in use.
 */
import type { Assignment, ReplicaReport } from '#contracts/nodes';
import { emptyTable, modelTable } from '../serving/model-table.js';
import type { ModelTable } from '../serving/model-table.js';
import type { Gate } from './gate.js';
import { MemoryBudget, makeRoom } from './memory-budget.js';
import { reconcile } from './reconcile.js';
import type { Action } from './reconcile.js';
import { Replica } from './replica.js';
import type { ReplicaContext } from './replica.js';
import { removeFolder } from './version-folder.js';

export interface ReplicaSetOptions extends Omit<ReplicaContext, 'makeRoom' | 'onIdle'> {
  /** Bounds how many models load at once. */
  readonly loadGate: Gate;
  /** Most memory that runners may hold together. */
  readonly memoryBytes: number;
}

/** How often runners are measured. */
const inspectEveryMs = 1_000;

export class ReplicaSet {
  table: ModelTable = emptyTable;
  private readonly replicas = new Set<Replica>();
  private assignments: readonly Assignment[] = [];
  private retryTimer: NodeJS.Timeout | undefined;
  private isFrozen = false;
  private isFollowing = false;
  private isStale = false;
  private readonly context: ReplicaContext;
  private readonly memory: MemoryBudget;
  private readonly inspection: NodeJS.Timeout;

  /** `onChange` is called after the table has followed the change. */
  constructor({ memoryBytes, loadGate, ...options }: ReplicaSetOptions) {
    const onChange = (): void => {
      this.follow();
      options.onChange();
    };
    this.memory = new MemoryBudget(memoryBytes, () => [...this.replicas]);
    this.context = {
      ...options,
      makeRoom: (versionId, bytes, signal) => makeRoom(this.memory, loadGate, { versionId, bytes, signal }),
      onIdle: () => this.memory.look(),
      onChange,
    };
    this.inspection = setInterval(() => this.memory.inspect(), inspectEveryMs);
  }

  /** Where a version is held at two config revisions, the READY one comes last: who keeps one per version keeps that. */
  get reports(): ReplicaReport[] {
    const reports = [...this.replicas].map(({ report }) => report);
    return reports.sort((a, b) => Number(a.state === 'READY') - Number(b.state === 'READY'));
  }

  /** Jobs whose callers wait. */
  get inFlight(): number {
    return [...this.replicas].reduce((jobs, replica) => jobs + replica.inFlight, 0);
  }

  get artifactsInUse(): ReadonlySet<string> {
    return new Set(
      [...this.replicas].flatMap(({ assignment }) => assignment.files.map(({ sha256 }) => sha256)),
    );
  }

  apply(assignments: readonly Assignment[]): void {
    if (this.isFrozen) return;
    this.assignments = assignments;
    this.follow();
  }

  /** From now on nothing is started or unloaded: the process is leaving. */
  freeze(): void {
    this.isFrozen = true;
    clearTimeout(this.retryTimer);
  }

  /** Resolves when no caller waits for any replica. */
  async whenIdle(): Promise<void> {
    await Promise.all([...this.replicas].map((replica) => replica.whenIdle()));
  }

  close(): void {
    this.freeze();
    clearInterval(this.inspection);
    for (const replica of this.replicas) replica.close();
    this.replicas.clear();
  }

  /** Acting on a decision changes replicas, which calls for the next decision: one after the other, never nested. */
  private follow(): void {
    this.isStale = true;
    if (this.isFollowing) return;
    this.isFollowing = true;
    while (this.isStale) {
      this.isStale = false;
      this.step();
    }
    this.isFollowing = false;
  }

  private step(): void {
    if (!this.isFrozen)
      for (const action of reconcile(this.assignments, [...this.replicas], this.context.nowMs()))
        this.act(action);
    const served = [...this.replicas].flatMap((replica) => replica.served ?? []);
    this.table = modelTable(
      served,
      [...this.replicas].map(({ assignment: { model, version }, report: { state, reason } }) => ({
        model,
        version,
        state,
        reason,
      })),
      this.assignments,
    );
    this.scheduleRetry();
  }

  private act(action: Action<Assignment, Replica>): void {
    switch (action.kind) {
      case 'start': {
        const replica = new Replica(action.assignment, this.context);
        this.replicas.add(replica);
        void replica.begin();
        return;
      }
      case 'retry':
        void action.replica.begin();
        return;
      case 'revive':
        action.replica.revive();
        return;
      case 'drain':
        this.drain(action.replica).catch(this.logFailure);
        return;
      case 'drop':
        action.replica.close();
        this.remove(action.replica).catch(this.logFailure);
        return;
    }
  }

  private async drain(replica: Replica): Promise<void> {
    if (await replica.drain()) await this.remove(replica);
  }

  private async remove(replica: Replica): Promise<void> {
    this.replicas.delete(replica);
    this.memory.look();
    this.context.onChange();
    await removeFolder(replica.folder);
  }

  private readonly logFailure = (error: unknown): void => {
    this.context.logger.error({ err: error }, 'unloading a version failed');
  };

  private scheduleRetry(): void {
    clearTimeout(this.retryTimer);
    const times = [...this.replicas].flatMap(({ retryAtMs }) => retryAtMs ?? []);
    if (times.length === 0 || this.isFrozen) return;
    const delayMs = Math.max(0, Math.min(...times) - this.context.nowMs());
    this.retryTimer = setTimeout(() => this.follow(), delayMs);
  }
}
