import type { AuditEntry, ListAudit } from '#contracts/clients';
import type { Page } from '#contracts/common';
import { AuditEntryEntity } from '#database/entities/client.entity';
import { Injectable } from '@nestjs/common';
import { DataSource, LessThan, Like } from 'typeorm';
import { z } from 'zod';
import { decodePageToken, toPage } from '../http/page.js';
import { toAuditEntry } from './audit.mapper.js';

const PageKey = z.tuple([z.uuid()]);

/** Reads the audit log. It is written by `Transactions` alone, with the change itself. */
@Injectable()
export class AuditService {
  constructor(private readonly dataSource: DataSource) {}

  /** Newest first: UUIDv7 ids are in the order of time. */
  async list(query: z.output<typeof ListAudit>): Promise<Page<AuditEntry>> {
    const after = decodePageToken(query.page_token, PageKey);
    const rows = await this.dataSource.getRepository(AuditEntryEntity).find({
      where: {
        ...(after ? { id: LessThan(after[0]) } : {}),
        ...(query.actor === undefined ? {} : { actor: query.actor }),
        ...(query.action === undefined ? {} : { action: query.action }),
        ...(query.subject_prefix === undefined ? {} : { subject: Like(prefixPattern(query.subject_prefix)) }),
      },
      order: { id: 'DESC' },
      take: query.page_size + 1,
    });
    return toPage(rows.map(toAuditEntry), query.page_size, (entry) => [entry.id]);
  }
}

const prefixPattern = (prefix: string): string => `${prefix.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
