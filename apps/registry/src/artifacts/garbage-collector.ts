/**
 * Deletes artifacts that nothing refers to. It must never delete one that something refers to, now or in a moment:
 * - whoever stores bytes claims them first, and a claimed artifact is left alone for the grace period;
 * - whoever refers to an artifact does so by a foreign key, which holds the row that is locked here;
 * - bytes go while the row's deletion is not yet committed, so whoever stores the same bytes again comes after it.
 * Which tables refer to artifacts is asked of the database, so that no later table can be forgotten.
 */
import type { ArtifactStore } from '#artifacts/artifact-store';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { ARTIFACT_STORE } from './artifact-store.token.js';

export interface Garbage {
  readonly count: number;
  readonly bytes: number;
}

/** Locks are held while the store deletes: few at a time. */
const perTransaction = 20;
const system = { subject: 'system', requestId: undefined };

@Injectable()
export class GarbageCollector {
  constructor(
    private readonly transactions: Transactions,
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** Safe to run twice, or at once. */
  async run(graceS: number = this.config.SLUICE_ARTIFACT_GRACE_S): Promise<Garbage> {
    await this.store.sweep(Date.now());
    let total: Garbage = { count: 0, bytes: 0 };
    for (;;) {
      const batch = await this.transactions.write(system, (tx) => this.collect(tx, graceS));
      total = { count: total.count + batch.count, bytes: total.bytes + batch.bytes };
      if (batch.count === 0) return total;
    }
  }

  private async collect(tx: WriteContext, graceS: number): Promise<Garbage> {
    const isGarbage = `a.claimed_at <= now() - make_interval(secs => $1) AND ${await unreferenced(tx)}`;
    const locked = await tx.manager.query<{ sha256: string }[]>(
      `SELECT a.sha256 FROM artifacts a WHERE ${isGarbage}
       ORDER BY a.claimed_at, a.sha256 LIMIT ${perTransaction} FOR UPDATE SKIP LOCKED`,
      [graceS],
    );
    if (locked.length === 0) return { count: 0, bytes: 0 };
    // Again: what was referred to between the look and the lock is seen only by a new statement.
    const [deleted] = await tx.manager.query<[{ sha256: string; size_bytes: string }[], number]>(
      `DELETE FROM artifacts a WHERE a.sha256 = ANY($2) AND ${isGarbage} RETURNING a.sha256, a.size_bytes`,
      [graceS, locked.map((row) => row.sha256)],
    );
    for (const { sha256 } of deleted) await this.store.remove(sha256);
    const garbage = {
      count: deleted.length,
      bytes: deleted.reduce((sum, row) => sum + Number(row.size_bytes), 0),
    };
    if (garbage.count > 0) await tx.event({ type: 'artifact.collect', subject: 'artifacts', data: garbage });
    return garbage;
  }
}

/** No row of any table refers to the artifact `a`. */
async function unreferenced(tx: WriteContext): Promise<string> {
  const references = await tx.manager.query<{ table: string; column: string }[]>(
    `SELECT c.conrelid::regclass::text AS "table", quote_ident(f.attname) AS "column"
     FROM pg_constraint c JOIN pg_attribute f ON f.attrelid = c.conrelid AND f.attnum = c.conkey[1]
     WHERE c.contype = 'f' AND c.confrelid = 'artifacts'::regclass ORDER BY 1, 2`,
  );
  return references
    .map(({ table, column }) => `NOT EXISTS (SELECT 1 FROM ${table} r WHERE r.${column} = a.sha256)`)
    .join(' AND ');
}
