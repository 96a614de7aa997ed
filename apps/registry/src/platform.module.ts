/** What every feature may inject: settings, logger, database, transactions and the state of this process. */
import { Transactions } from '#database/transactions';
import type { Logger } from '#platform/logger';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { CONFIG, LOGGER } from './config.js';
import type { RegistryConfig } from './config.js';

/** Made before Nest starts, so that a wrong setting or schema ends the program in one clear line. */
export interface Platform {
  readonly config: RegistryConfig;
  readonly logger: Logger;
  /** Connected; closed by Nest when the application closes. */
  readonly dataSource: DataSource;
}

@Module({})
export class PlatformModule {
  static with({ config, logger, dataSource }: Platform): DynamicModule {
    return {
      module: PlatformModule,
      global: true,
      imports: [
        TypeOrmModule.forRootAsync({
          useFactory: () => dataSource.options,
          dataSourceFactory: () => Promise.resolve(dataSource),
        }),
      ],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        {
          provide: Transactions,
          useFactory: (source: DataSource) => new Transactions(source),
          inject: [DataSource],
        },
      ],
      exports: [CONFIG, LOGGER, Transactions],
    };
  }
}
