import { Transactions } from '#database/transactions';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { hashSecret } from './secrets.js';

/** The first client, from the environment: without one nobody could create another. An existing one is left as it is. */
@Injectable()
export class AdminBootstrap implements OnModuleInit {
  constructor(
    private readonly transactions: Transactions,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    const { SLUICE_ADMIN_CLIENT_ID: clientId, SLUICE_ADMIN_CLIENT_SECRET: secret } = this.config;
    if (secret === undefined) return;
    const actor = { subject: 'system', requestId: undefined };
    const secretHash = await hashSecret(secret);
    const isNew = await this.transactions.write(actor, async (tx) => {
      const rows = await tx.manager.query<unknown[]>(
        `INSERT INTO clients (id, client_id, name, secret_hash, scopes, secret_rotated_at, created_at)
         VALUES ($1, $2, $2, $3, ARRAY['admin'], now(), now())
         ON CONFLICT (client_id) DO NOTHING RETURNING id`,
        [uuidv7(), clientId, secretHash],
      );
      if (rows.length > 0)
        await tx.audit({
          action: 'client.create',
          subject: `clients/${clientId}`,
          after: { scopes: ['admin'] },
        });
      return rows.length > 0;
    });
    if (isNew) this.logger.info({ client_id: clientId }, 'created the admin client');
  }
}
