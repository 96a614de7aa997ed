/**
 * Changes, their audit entry and their event in one transaction. A change to routing raises the snapshot's revision in that same
 * transaction and notifies `sluice_routing`, which PostgreSQL delivers only if it commits.
 */
import type { DataSource, EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';

/** Who makes a change: `client:<client_id>`, `person:<login>`, `node:<id>`, `gateway:<id>` or `system`. */
export interface Actor {
  readonly subject: string;
  readonly requestId: string | undefined;
}

export interface AuditRecord {
  /** `noun.verb` */
  readonly action: string;
  /** What was changed, as a path: `models/iris/versions/2`. */
  readonly subject: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** A change that nobody asked for (a node was lost, a version became READY), for those who follow the events. */
export interface EventRecord {
  /** `noun.verb` */
  readonly type: string;
  readonly subject: string;
  readonly data?: unknown;
}

export interface WriteContext {
  readonly manager: EntityManager;
  /** Adds an entry to the audit log, and the event of that name. */
  audit(record: AuditRecord): Promise<void>;
  /** Adds an event that is no one's doing. */
  event(record: EventRecord): Promise<void>;
  /** The routing table is another one after this transaction. */
  routingChanged(): void;
}

/** PostgreSQL NOTIFY channels. */
export const channels = {
  routing: 'sluice_routing',
  assignments: 'sluice_assignments',
  runLines: 'sluice_run_lines',
} as const;

/** PostgreSQL gave the transaction up for another one; nothing of it happened, so it may simply run again. */
const givenUp = new Set(['40P01', '40001']);
const maxAttempts = 4;

/** Runs `work` again when PostgreSQL chose it to break a deadlock (PostgreSQL manual §13.5). */
export async function retryDeadlocks<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const { driverError } = error as { driverError?: { code?: string } };
      if (attempt === maxAttempts || !givenUp.has(driverError?.code ?? '')) throw error;
    }
  }
}

/**
 * Runs changes in transactions (READ COMMITTED). Any exception rolls back all of it; `work` may run more than once and must
 * do nothing that a rollback does not undo.
 */
export class Transactions {
  constructor(readonly dataSource: DataSource) {}

  async write<T>(actor: Actor, work: (tx: WriteContext) => Promise<T>): Promise<T> {
    return retryDeadlocks(() => this.once(actor, work));
  }

  private once<T>(actor: Actor, work: (tx: WriteContext) => Promise<T>): Promise<T> {
    return this.dataSource.transaction(async (manager) => {
      let routing = false;
      const result = await work({
        manager,
        audit: (record) => insertAudit(manager, actor, record),
        event: (record) => insertEvent(manager, actor, record),
        routingChanged: () => {
          routing = true;
        },
      });
      // Last, because the row lock that orders routing changes is held until the commit.
      if (routing) await raiseRoutingRevision(manager);
      return result;
    });
  }
}

async function insertAudit(manager: EntityManager, actor: Actor, record: AuditRecord): Promise<void> {
  // An event shows the thing as it is now; one that is gone, as it was.
  await manager.query(
    `WITH entry AS (
       INSERT INTO audit_entries (id, at, actor, action, subject, before, after, request_id)
       VALUES ($1, now(), $2, $3, $4, $5, $6, $7)
       RETURNING *)
     INSERT INTO events (id, at, actor, type, subject, data)
     SELECT id, at, actor, action, subject, COALESCE(after, before) FROM entry`,
    [
      uuidv7(),
      actor.subject,
      record.action,
      record.subject,
      toJson(record.before),
      toJson(record.after),
      actor.requestId ?? null,
    ],
  );
}

async function insertEvent(manager: EntityManager, actor: Actor, record: EventRecord): Promise<void> {
  await manager.query(
    `INSERT INTO events (id, at, actor, type, subject, data) VALUES ($1, now(), $2, $3, $4, $5)`,
    [uuidv7(), actor.subject, record.type, record.subject, storable(toJson(record.data))],
  );
}

/** Nodes pass on texts of model files; jsonb takes neither zero bytes nor halves of a surrogate pair. */
const storable = (json: string | null): string | null =>
  json?.replaceAll(/\\\\|\\u(?:0000|d[89a-f][0-9a-f]{2})/g, (escape) => (escape === '\\\\' ? escape : '?')) ??
  null;

const toJson = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));

async function raiseRoutingRevision(manager: EntityManager): Promise<void> {
  await manager.query(
    `WITH raised AS (
       INSERT INTO snapshot_state (id, revision) VALUES (1, 1)
       ON CONFLICT (id) DO UPDATE SET revision = snapshot_state.revision + 1
       RETURNING revision)
     SELECT pg_notify($1, revision::text) FROM raised`,
    [channels.routing],
  );
}
