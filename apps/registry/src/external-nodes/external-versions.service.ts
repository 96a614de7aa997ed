/** Versions without files. There is nothing to check in them, so they are READY at once; traffic waits until a gateway finds an external node ready. */
import type { CreateExternalVersion } from '#contracts/external-nodes';
import { VersionConfig } from '#contracts/models';
import type { Version } from '#contracts/models';
import { Transactions } from '#database/transactions';
import { Injectable } from '@nestjs/common';
import type { Caller } from '../http/caller.js';
import { insertVersion } from '../versions/uploads.service.js';

@Injectable()
export class ExternalVersionsService {
  constructor(private readonly transactions: Transactions) {}

  create(model: string, input: CreateExternalVersion, caller: Caller): Promise<Version> {
    const { default_timeout_ms, ...shown } = input;
    const metadata = { ...shown, config: VersionConfig.parse({ default_timeout_ms }) };
    return this.transactions.write(caller, (tx) => {
      tx.routingChanged();
      return insertVersion(tx, model, { entryFile: '', isExternal: true }, { files: [], metadata }, caller);
    });
  }
}
