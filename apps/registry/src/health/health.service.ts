import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Readiness } from './readiness.js';

export interface HealthAnswer {
  readonly status: 'ok';
}

/** A database that needs longer for `SELECT 1` is of no use to a caller either. */
const pingTimeoutMs = 2_000;

@Injectable()
export class HealthService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly readiness: Readiness,
  ) {}

  live(): HealthAnswer {
    return { status: 'ok' };
  }

  async ready(): Promise<HealthAnswer> {
    if (this.readiness.isDraining) throw new SluiceError('NOT_READY', 'This process is shutting down.');
    await this.ping();
    return { status: 'ok' };
  }

  private async ping(): Promise<void> {
    const ping = this.dataSource.query('SELECT 1');
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer in ${pingTimeoutMs} ms`)), pingTimeoutMs);
    });
    try {
      await Promise.race([ping, timeout]);
    } catch (cause) {
      throw new SluiceError('DATABASE_UNAVAILABLE', 'The database does not answer.', { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}
