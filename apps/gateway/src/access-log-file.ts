/** Where the access log goes: a file or stdout, written aside from the event loop and bounded in memory. */
import { openSync } from 'node:fs';
import { pino } from 'pino';
import type { Logger } from '#platform/logger';
import { AccessLog } from './data-plane/access-log.js';

/** A pipe takes this much in one piece (POSIX PIPE_BUF), so that lines of other writers never fall into ours. */
const pieceBytes = 4_096;
/** What waits for a slow reader; beyond it lines are dropped and counted. */
const maxWaitingBytes = 1_048_576;
const flushEveryMs = 500;

export interface AccessLogFile {
  readonly log: AccessLog;
  close(): Promise<void>;
}

/** Undefined when nothing is to be logged. @throws when the file cannot be opened: better no start than no log */
export function openAccessLog(
  file: string,
  share: number,
  random: () => number,
  logger: Logger,
): AccessLogFile | undefined {
  if (share === 0) return undefined;
  const destination = pino.destination({
    // The destination closes it at the end, unless it is stdout.
    fd: file === '-' ? 1 : openSync(file, 'a', 0o640),
    sync: false,
    minLength: pieceBytes - 1,
    maxWrite: pieceBytes,
    maxLength: maxWaitingBytes,
    periodicFlush: flushEveryMs,
  });
  const lines = pino(
    {
      base: { program: 'gateway' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const log = new AccessLog(share, random, (entry) => lines.info(entry, 'request'));
  destination.on('drop', () => (log.dropped += 1));
  destination.on('error', (error: Error) => logger.error({ err: error }, 'the access log cannot be written'));
  return {
    log,
    async close() {
      // What cannot be written now is lost; its error is told above.
      await new Promise<void>((resolve) =>
        destination
          .once('finish', resolve)
          .once('error', () => resolve())
          .end(),
      );
    },
  };
}
