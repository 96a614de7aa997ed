/** The text log of a run: numbered lines that only grow, per source (a process, a rank). */
import { z } from 'zod';
import { Timestamp } from './common.js';

const Source = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[\w.\-/]+$/, 'may hold letters, digits, "_", "-", "." and "/" only');
const Place = z.coerce.number().int().min(0).max(2_147_483_646);

export const AppendLines = z.strictObject({
  source: Source.default('main'),
  first_line: z
    .int()
    .min(1)
    .max(2_000_000_000)
    .describe(
      'Number of the first line: the one after the last that was sent. Lines that are there already are passed over',
    ),
  lines: z.array(z.string().max(20_000)).min(1).max(5_000),
});
export const AppendedLines = z.object({ next_line: z.int().min(1) });

export const LogLine = z
  .object({ number: z.int().min(1), at: Timestamp, text: z.string() })
  .meta({ id: 'LogLine' });
export type LogLine = z.infer<typeof LogLine>;

export const ReadLines = z.strictObject({
  source: Source.default('main'),
  after_line: Place.default(0),
  tail: z.coerce
    .number()
    .int()
    .min(1)
    .max(5_000)
    .optional()
    .describe('Only the last lines; after_line is then of no use'),
  page_size: z.coerce.number().int().min(1).max(5_000).default(1_000),
});
export const Lines = z.object({
  items: z.array(LogLine),
  next_line: z.int().min(1).describe('What first_line is next'),
});
export const FollowLines = z.strictObject({
  source: Source.default('main'),
  after_line: Place.default(0).describe('The header Last-Event-ID wins'),
});
export const LineSources = z.object({
  items: z.array(z.object({ source: z.string(), last_line: z.int().min(1), at: Timestamp })),
});

/** Names of the server-sent events: a LogLine each, and the end of a run that has ended. */
export const lineEventName = 'line';
export const endEventName = 'end';
