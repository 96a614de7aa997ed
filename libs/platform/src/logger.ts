/** Structured logs: one JSON line per event on stdout, secrets left out. */
import { pino } from 'pino';
import type { Logger } from 'pino';

export type { Logger };

/** @param program name that each line carries: `registry`, `gateway`, `node` */
export function createLogger(program: string, level: string): Logger {
  return pino({
    level,
    base: { program },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: [
        'authorization',
        '*.authorization',
        'client_secret',
        '*.client_secret',
        'credential',
        '*.credential',
      ],
    },
  });
}
