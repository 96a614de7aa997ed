/**
 * Slows down who guesses secrets. An attempt is paid for before its secret is looked at and paid back when that was right, so
 * many attempts at once get no further than one after the other. The buckets are in the database: all registries count together.
 */
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';

interface Bucket {
  readonly key: string;
  /** Failures at once. */
  readonly capacity: number;
  /** Failures that are forgotten in a minute. */
  readonly perMinute: number;
}

/**
 * The first stops guessing; the others bound many addresses, and many names. A stranger cannot lock a name out from where its
 * owner is, unless he has very many addresses.
 */
const bucketsOf = ({ name, address }: Attempt): Bucket[] => [
  ...(name === undefined
    ? []
    : [
        { key: `pair ${address} ${storable(name)}`, capacity: 20, perMinute: 10 },
        { key: `name ${storable(name)}`, capacity: 300, perMinute: 60 },
      ]),
  { key: `address ${address}`, capacity: 300, perMinute: 60 },
];

/** Who tries to prove what it is. */
export interface Attempt {
  /** `client:<client_id>` or `person:<login>`, as it was given; undefined when nobody is named. */
  readonly name: string | undefined;
  readonly address: string;
}

@Injectable()
export class Throttle {
  constructor(private readonly dataSource: DataSource) {}

  /** Runs `check`; it counts as a failure when it throws. @throws SluiceError TOO_MANY_ATTEMPTS without running it */
  async guard<T>(attempt: Attempt, check: () => Promise<T>): Promise<T> {
    const buckets = bucketsOf(attempt);
    await this.pay(buckets);
    const result = await check();
    await this.payBack(buckets);
    return result;
  }

  /** All or nothing: what is refused has cost nothing. */
  private pay(buckets: readonly Bucket[]): Promise<void> {
    return this.dataSource.transaction(async (manager) => {
      for (const bucket of buckets) {
        if (await takeOne(manager, bucket)) continue;
        const waitS = await waitOf(manager, bucket);
        const detail = `Too many attempts to sign in failed. Try again in ${waitS} s.`;
        throw new SluiceError('TOO_MANY_ATTEMPTS', detail, { retryAfterS: waitS });
      }
    });
  }

  private async payBack(buckets: readonly Bucket[]): Promise<void> {
    for (const { key, capacity } of buckets)
      await this.dataSource.query(
        'UPDATE sign_in_attempts SET remaining = LEAST($2, remaining + 1) WHERE key = $1',
        [key, capacity],
      );
  }
}

/** PostgreSQL holds no zero byte, and a name of any length is no key. */
const storable = (name: string): string => name.replaceAll('\0', '?').slice(0, 300);

const available = 'LEAST($2, b.remaining + EXTRACT(EPOCH FROM clock_timestamp() - b.at) * $3 / 60)';

async function takeOne(manager: EntityManager, { key, capacity, perMinute }: Bucket): Promise<boolean> {
  const rows = await manager.query<unknown[]>(
    `INSERT INTO sign_in_attempts AS b (key, remaining, at) VALUES ($1, $2::float8 - 1, clock_timestamp())
     ON CONFLICT (key) DO UPDATE SET remaining = ${available} - 1, at = clock_timestamp()
     WHERE ${available} >= 1 RETURNING key`,
    [key, capacity, perMinute],
  );
  return rows.length > 0;
}

/** Whole seconds until there is one again, at least one. */
async function waitOf(manager: EntityManager, { key, capacity, perMinute }: Bucket): Promise<number> {
  const [row] = await manager.query<{ wait_s: number }[]>(
    `SELECT GREATEST(1, CEIL((1 - ${available}) * 60 / $3))::int AS wait_s FROM sign_in_attempts b WHERE key = $1`,
    [key, capacity, perMinute],
  );
  return row?.wait_s ?? 1;
}
