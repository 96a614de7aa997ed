/** The text log of runs in the database. */
import type { LogLine } from '#contracts/run-lines';
import { channels } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import type { EntityManager } from 'typeorm';

export interface NewLines {
  readonly runId: string;
  readonly source: string;
  readonly firstLine: number;
  readonly lines: readonly string[];
}

interface LineRow {
  readonly number: number;
  readonly at: Date;
  readonly text: string;
}
const toLine = ({ number, at, text }: LineRow): LogLine => ({ number, at: at.toISOString(), text });

/**
 * Adds the lines that are not there yet, and tells the followers when the transaction commits. Two writers of one number: the
 * second sees what the first wrote.
 * @returns the number of the next line. @throws SluiceError LOG_CONFLICT on a gap, or where other lines are
 */
export async function appendLines(
  manager: EntityManager,
  { runId, source, firstLine, lines }: NewLines,
): Promise<number> {
  const last = firstLine + lines.length - 1;
  const known = await lastLine(manager, runId, source);
  if (firstLine > known + 1)
    throw new SluiceError(
      'LOG_CONFLICT',
      `The log "${source}" has ${known} lines; the next is ${known + 1}, not ${firstLine}. Send the lines between first.`,
    );
  await manager.query(
    `INSERT INTO run_log_lines (run_id, source, number, at, text)
     SELECT $1, $2, $3 + place - 1, now(), text FROM unnest($4::text[]) WITH ORDINALITY AS l(text, place) ORDER BY place
     ON CONFLICT DO NOTHING`,
    [runId, source, firstLine, lines],
  );
  const [other] = await manager.query<{ number: number }[]>(
    `SELECT n.number FROM run_log_lines n
     WHERE n.run_id = $1 AND n.source = $2 AND n.number BETWEEN $3 AND $4 AND n.text <> ($5::text[])[n.number - $3 + 1]
     ORDER BY n.number LIMIT 1`,
    [runId, source, firstLine, last, lines],
  );
  if (other)
    throw new SluiceError(
      'LOG_CONFLICT',
      `Line ${other.number} of the log "${source}" is another one. Lines never change.`,
    );
  await announceRun(manager, runId);
  return Math.max(known, last) + 1;
}

/** Wakes those who follow the run's log, when the transaction commits. */
export async function announceRun(manager: EntityManager, runId: string): Promise<void> {
  await manager.query('SELECT pg_notify($1, $2)', [channels.runLines, runId]);
}

/** 0 when there is none. */
export async function lastLine(manager: EntityManager, runId: string, source: string): Promise<number> {
  const [row] = await manager.query<{ number: number }[]>(
    'SELECT number FROM run_log_lines WHERE run_id = $1 AND source = $2 ORDER BY number DESC LIMIT 1',
    [runId, source],
  );
  return row?.number ?? 0;
}

export interface LineRange {
  readonly runId: string;
  readonly source: string;
  readonly after: number;
  readonly limit: number;
}

export async function readLines(manager: EntityManager, range: LineRange): Promise<LogLine[]> {
  const rows = await manager.query<LineRow[]>(
    `SELECT number, at, text FROM run_log_lines
     WHERE run_id = $1 AND source = $2 AND number > $3 ORDER BY number LIMIT $4`,
    [range.runId, range.source, range.after, range.limit],
  );
  return rows.map(toLine);
}

export async function readSources(
  manager: EntityManager,
  runId: string,
): Promise<{ source: string; last_line: number; at: string }[]> {
  const rows = await manager.query<{ source: string; number: number; at: Date }[]>(
    `SELECT DISTINCT ON (source) source, number, at FROM run_log_lines
     WHERE run_id = $1 ORDER BY source, number DESC`,
    [runId],
  );
  return rows.map(({ source, number, at }) => ({ source, last_line: number, at: at.toISOString() }));
}
