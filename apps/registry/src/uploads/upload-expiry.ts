/** Removes uploads that nobody went on with, and pieces whose upload is gone. Running twice, or at once, is harmless. */
import type { PieceStore } from '#artifacts/artifact-store';
import { UploadEntity } from '#database/entities/upload.entity';
import { Transactions } from '#database/transactions';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, In } from 'typeorm';
import { PIECE_STORE } from '../artifacts/artifact-store.token.js';
import { toUpload } from './uploads.mapper.js';

const perRun = 200;
const system = { subject: 'system', requestId: undefined };

@Injectable()
export class UploadExpiry {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    @Inject(PIECE_STORE) private readonly pieces: PieceStore,
  ) {}

  async run(now: Date = new Date()): Promise<void> {
    await this.transactions.write(system, async (tx) => {
      const rows = await tx.manager
        .createQueryBuilder(UploadEntity, 'upload')
        .where('upload.expires_at < :now', { now })
        .orderBy('upload.expires_at')
        .limit(perRun)
        .setLock('pessimistic_write')
        .setOnLocked('skip_locked')
        .getMany();
      if (rows.length === 0) return;
      await tx.manager.delete(UploadEntity, { id: In(rows.map((row) => row.id)) });
      for (const row of rows.filter((row) => row.version_id === null))
        await tx.event({ type: 'upload.expired', subject: `uploads/${row.id}`, data: toUpload(row) });
    });
    await this.removeOrphans();
  }

  /** An upload's row is there before its first piece, so a piece without a row is nobody's. */
  private async removeOrphans(): Promise<void> {
    const ids = await this.pieces.list();
    const rows = await this.dataSource.manager.find(UploadEntity, {
      select: { id: true },
      where: { id: In(ids) },
    });
    const known = new Set(rows.map((row) => row.id));
    for (const id of ids.filter((id) => !known.has(id))) await this.pieces.removeAll(id);
  }
}
