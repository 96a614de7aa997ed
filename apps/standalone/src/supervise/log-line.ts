/** What a line of a part's output says to a person. Parts write one JSON object per line; PostgreSQL and crashing programs write text. */
import { z } from 'zod';

export type Severity = 'quiet' | 'warning' | 'error';
export interface LogLine {
  readonly severity: Severity;
  readonly text: string;
}

const JsonLine = z.object({
  level: z.string(),
  msg: z.string().default(''),
  err: z.object({ message: z.string() }).partial().optional(),
});

const longestText = 300;

function severityOf(level: string): Severity {
  if (level === 'error' || level === 'fatal') return 'error';
  return level === 'warn' ? 'warning' : 'quiet';
}

function parseJsonLine(line: string): z.infer<typeof JsonLine> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JsonLine.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined; // text that begins with a brace
  }
}

/**
 * PostgreSQL: `2026-01-01 00:00:00.000 UTC [12] FATAL:  text`. Its ERROR and FATAL end a statement or a connection, and the
 * program at the other end tells of them; only a PANIC is about the server.
 */
const postgresLine =
  /^\S+ \S+ \S+ \[\d+\] (PANIC|FATAL|ERROR|WARNING|LOG|HINT|DETAIL|STATEMENT|CONTEXT):\s+(.*)$/;

export function readLogLine(line: string): LogLine {
  const json = parseJsonLine(line);
  if (json) {
    const text = [json.msg, json.err?.message].filter(Boolean).join(': ');
    return { severity: severityOf(json.level), text: text.slice(0, longestText) };
  }
  const [, level, text] = postgresLine.exec(line) ?? [];
  const severity = level === 'PANIC' ? 'error' : 'quiet';
  return { severity, text: (text ?? line.trim()).slice(0, longestText) };
}

/** Whether a line only surrounds the message of a crash: stack frames, properties of the error, Node's version. */
export const isTrace = (line: string): boolean => /^\s|^[{}]?$|^node:internal|^Node\.js v/.test(line);

/** How a process ended, with the last thing it complained about. */
export function exitReason(
  code: number | null,
  signal: NodeJS.Signals | null,
  lastWords: string | undefined,
): string {
  const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
  return lastWords ? `${how}: ${lastWords}` : how;
}
