/** Versions without files. There is nothing to check in them, so they are READY at once; traffic waits until a gateway finds an external node ready. */
import type { CreateExternalVersion } from '#contracts/external-nodes';
import { VersionConfig } from '#contracts/models';
import type { Version } from '#contracts/models';
import { Injectable } from '@nestjs/common';
import { Creations } from '../creations/creations.js';
import type { Caller } from '../http/caller.js';
import { insertVersion } from '../versions/uploads.service.js';
import { VersionsService } from '../versions/versions.service.js';

@Injectable()
export class ExternalVersionsService {
  constructor(
    private readonly creations: Creations,
    private readonly versions: VersionsService,
  ) {}

  create(model: string, input: CreateExternalVersion, caller: Caller): Promise<Version> {
    const { default_timeout_ms, ...shown } = input;
    const metadata = { ...shown, config: VersionConfig.parse({ default_timeout_ms }) };
    return this.creations.answer(caller, {
      make: (tx) => {
        tx.routingChanged();
        return insertVersion(tx, model, { entryFile: '', isExternal: true }, { files: [], metadata }, caller);
      },
      nameOf: (made) => String(made.version),
      read: (number) => this.versions.read({ model, version: Number(number) }),
    });
  }
}
