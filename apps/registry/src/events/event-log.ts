/**
 * The log of events in the database. Transactions write events without a number, because a number that is taken before
 * the commit may become visible after a greater one, and a reader who has passed that one would miss it. So committed
 * events are numbered afterwards, by one process at a time.
 */
import type { ChangeEvent } from '#contracts/events';
import { EventEntity } from '#database/entities/event.entity';
import { MoreThan } from 'typeorm';
import type { DataSource, EntityManager } from 'typeorm';

const numberingLock = 7_201_006;
const maxPerNumbering = 1_000;

/** Numbers what has been committed. While another process does it, it does nothing. @returns whether any was numbered */
export async function numberEvents(dataSource: DataSource): Promise<boolean> {
  if (!(await dataSource.query<unknown[]>('SELECT 1 FROM events WHERE number IS NULL LIMIT 1')).length)
    return false;
  return dataSource.transaction(async (manager) => {
    const [lock] = await manager.query<{ held: boolean }[]>('SELECT pg_try_advisory_xact_lock($1) AS held', [
      numberingLock,
    ]);
    if (!lock?.held) return false;
    // UUIDv7: what was made earlier comes first among those that are numbered together.
    const [, count] = await manager.query<[unknown, number]>(
      `UPDATE events SET number = numbered.number
       FROM (SELECT id, nextval('events_number_seq') AS number
             FROM (SELECT id FROM events WHERE number IS NULL ORDER BY id LIMIT $1) AS sorted) AS numbered
       WHERE events.id = numbered.id`,
      [maxPerNumbering],
    );
    return count > 0;
  });
}

/** 0 before the first event. */
export async function newestNumber(manager: EntityManager): Promise<number> {
  const [row] = await manager.query<{ number: string | null }[]>('SELECT max(number) AS number FROM events');
  return Number(row?.number ?? 0);
}

/** Whether everything after `number` is still there. */
export async function isKept(manager: EntityManager, number: number): Promise<boolean> {
  const [row] = await manager.query<{ number: string | null }[]>('SELECT min(number) AS number FROM events');
  return row?.number == null || Number(row.number) <= number + 1;
}

/** The events after `number`, in their order. */
export async function readEvents(
  manager: EntityManager,
  number: number,
  limit: number,
): Promise<ChangeEvent[]> {
  const rows = await manager.find(EventEntity, {
    where: { number: MoreThan(number) },
    order: { number: 'ASC' },
    take: limit,
  });
  return rows.map(toChangeEvent);
}

const toChangeEvent = (row: EventEntity): ChangeEvent => ({
  number: row.number ?? 0,
  id: row.id,
  at: row.at.toISOString(),
  type: row.type,
  subject: row.subject,
  actor: row.actor,
  data: row.data,
});
