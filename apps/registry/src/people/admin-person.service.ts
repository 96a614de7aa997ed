import { PersonEntity } from '#database/entities/person.entity';
import { Transactions } from '#database/transactions';
import type { Logger } from '#platform/logger';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { hashPassword } from '../auth/passwords.js';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { insertPerson, newPerson } from './people.service.js';

/** The first person, from the environment, as the first client is. An existing one is left as it is. */
@Injectable()
export class AdminPerson implements OnModuleInit {
  constructor(
    private readonly transactions: Transactions,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    const { SLUICE_ADMIN_LOGIN: login, SLUICE_ADMIN_PASSWORD: password } = this.config;
    if (password === undefined) return;
    const { manager } = this.transactions.dataSource;
    if (await manager.existsBy(PersonEntity, { login })) return;
    const row = newPerson(login, login, [{ team: null, role: 'admin' }]);
    row.password_hash = await hashPassword(password);
    try {
      await this.transactions.write({ subject: 'system', requestId: undefined }, (tx) =>
        insertPerson(tx, row),
      );
      this.logger.info({ login }, 'created the admin person');
    } catch (error) {
      // Another registry that starts at the same time was faster.
      if (!(error instanceof SluiceError) || error.code !== 'ALREADY_EXISTS') throw error;
    }
  }
}
