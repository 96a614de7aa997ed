import type { ArtifactStore } from '#artifacts/artifact-store';
import { messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { LOGGER } from '../config.js';
import { ARTIFACT_STORE } from './artifact-store.token.js';

const everyMs = 60 * 60 * 1_000;

/** Removes, once an hour, what uploads to a killed process left behind. */
@Injectable()
export class ArtifactSweep implements OnModuleInit, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => {
      this.store.sweep(Date.now()).catch((error: unknown) => {
        this.logger.error({ reason: messageOf(error) }, 'stale uploads could not be swept');
      });
    }, everyMs).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }
}
