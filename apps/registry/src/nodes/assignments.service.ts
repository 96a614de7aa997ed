/** What a node shall hold. The long poll waits in memory for a notification; it holds no connection to the database. */
import type { Assignment, Assignments } from '#contracts/nodes';
import { Injectable } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import { once } from 'node:events';
import { DataSource } from 'typeorm';
import type { Caller } from '../http/caller.js';
import { Notifications } from '../notify/notifications.js';
import { nodeNotFound, requireEpoch } from './lease.service.js';

export interface AssignmentsWait {
  /** The revision that the node has. */
  readonly after: number;
  readonly waitMs: number;
  /** Ends the wait: the node has hung up. */
  readonly signal: AbortSignal;
}

@Injectable()
export class AssignmentsService implements OnModuleDestroy {
  private readonly shutdown = new AbortController();

  constructor(
    private readonly dataSource: DataSource,
    private readonly notifications: Notifications,
  ) {}

  /** Waiting nodes get what they have, and ask again elsewhere. */
  onModuleDestroy(): void {
    this.shutdown.abort();
  }

  async read(nodeId: string, caller: Caller, wait: AssignmentsWait): Promise<Assignments> {
    const deadline = AbortSignal.timeout(wait.waitMs);
    const end = AbortSignal.any([deadline, wait.signal, this.shutdown.signal]);
    for (;;) {
      // Listen before reading, or a change in between would be missed.
      const iteration = new AbortController();
      const changed = this.changed(nodeId, AbortSignal.any([end, iteration.signal]));
      try {
        const revision = await this.revision(nodeId, caller);
        if (revision !== wait.after || wait.waitMs === 0 || end.aborted) return await this.load(nodeId);
        await changed;
      } finally {
        iteration.abort();
      }
    }
  }

  /** Resolves when the node's assignments may have changed, or at the signal. */
  private async changed(nodeId: string, signal: AbortSignal): Promise<void> {
    const isOurs = async (): Promise<void> => {
      for (;;) {
        const [notified] = (await once(this.notifications, 'assignments', { signal })) as [string];
        if (notified === nodeId) return;
      }
    };
    const resync = once(this.notifications, 'resync', { signal });
    await Promise.any([isOurs(), resync]).catch(() => undefined);
  }

  private async revision(nodeId: string, caller: Caller): Promise<number> {
    const rows = await this.dataSource.query<{ epoch: number; assignments_revision: number }[]>(
      'SELECT epoch, assignments_revision FROM nodes WHERE id = $1',
      [nodeId],
    );
    const [node] = rows;
    if (node === undefined) throw nodeNotFound(nodeId);
    requireEpoch(node.epoch, caller);
    return node.assignments_revision;
  }

  /** Revision and contents in one statement, so that they belong together. */
  private async load(nodeId: string): Promise<Assignments> {
    const rows = await this.dataSource.query<{ revision: number; assignments: Assignment[] }[]>(
      `SELECT n.assignments_revision AS revision, COALESCE(a.assignments, '[]') AS assignments
       FROM nodes n LEFT JOIN LATERAL (
         SELECT jsonb_agg(jsonb_build_object(
             'version_id', v.id, 'model', m.name, 'version', v.number, 'aliases', aliases.list, 'entry_file', v.entry_file,
             'files', files.list, 'config_revision', c.revision, 'config', c.config) ORDER BY v.id) AS assignments
         FROM replicas r
         JOIN versions v ON v.id = r.version_id
         JOIN models m ON m.id = v.model_id
         JOIN config_revisions c ON c.version_id = v.id AND c.revision = r.config_revision
         JOIN LATERAL (
           SELECT COALESCE(jsonb_agg(name ORDER BY name), '[]') AS list
           FROM aliases WHERE model_id = v.model_id AND version_number = v.number) aliases ON true
         JOIN LATERAL (
           SELECT jsonb_agg(jsonb_build_object('path', f.path, 'sha256', f.sha256, 'size_bytes', b.size_bytes)
                            ORDER BY f.path) AS list
           FROM version_files f JOIN artifacts b ON b.sha256 = f.sha256 WHERE f.version_id = v.id) files ON true
         WHERE r.node_id = n.id AND r.wanted) a ON true
       WHERE n.id = $1`,
      [nodeId],
    );
    const [row] = rows;
    if (row === undefined) throw nodeNotFound(nodeId);
    return row;
  }
}
