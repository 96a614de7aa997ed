/** Rotates the signing key when it has grown old. Runs in every API process; a lock lets one of them do it. */
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { SigningKeys } from './signing-keys.service.js';

const lookEveryMs = 60_000;
const dayMs = 86_400_000;
const actor = { subject: 'system', requestId: undefined };

@Injectable()
export class KeyRotation implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;

  constructor(
    private readonly keys: SigningKeys,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.SLUICE_KEY_ROTATION_DAYS === 0) return;
    this.timer = setInterval(() => {
      this.looking ??= this.look().finally(() => {
        this.looking = undefined;
      });
    }, lookEveryMs).unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  /** Rotates when it is time. */
  async look(): Promise<void> {
    try {
      const made = await this.keys.rotateOlderThan(this.config.SLUICE_KEY_ROTATION_DAYS * dayMs, actor);
      if (made) this.logger.info({ kid: made.kid }, 'the signing key was rotated');
    } catch (error) {
      this.logger.warn({ err: error }, 'the signing key could not be rotated');
    }
  }
}
