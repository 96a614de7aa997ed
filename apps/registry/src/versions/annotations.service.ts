import { isDeepStrictEqual } from 'node:util';
import type { UpdateVersion, Version } from '#contracts/models';
import { VersionEntity } from '#database/entities/version.entity';
import { Transactions } from '#database/transactions';
import { Injectable } from '@nestjs/common';
import type { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { lockModel } from '../models/model-lookup.js';
import { findVersion, viewVersion } from './version-lookup.js';
import type { VersionAddress } from './versions.service.js';

/** What people write about a version: all of it that may change after the upload. */
@Injectable()
export class AnnotationsService {
  constructor(private readonly transactions: Transactions) {}

  update(
    { model: modelName, version: number }: VersionAddress,
    input: z.output<typeof UpdateVersion>,
    caller: Caller,
  ): Promise<Version> {
    return this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      const row = await findVersion(tx.manager, model, number);
      const before = await viewVersion(tx.manager, model, row);
      const wanted = { description: input.description ?? row.description, tags: input.tags ?? row.tags };
      if (isDeepStrictEqual(wanted, { description: row.description, tags: row.tags })) return before;
      await tx.manager.update(VersionEntity, { id: row.id }, wanted);
      const after: Version = { ...before, ...wanted };
      const subject = `models/${model.name}/versions/${number}`;
      await tx.audit({ action: 'version.update', subject, before, after });
      return after;
    });
  }
}
