/** What the load generators are told, and what they answer. */
import { z } from 'zod';

const target = {
  /** Default POST. */
  method: z.enum(['GET', 'POST']).optional(),
  host: z.string(),
  port: z.number(),
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  /** A body too long for a command line lies in a file. */
  body: z.union([z.string(), z.object({ file: z.string() })]),
};
const Target = z.object(target);
/** The one request that is sent again and again. */
export type Target = z.infer<typeof Target>;

export const LoadOptions = z.object({
  ...target,
  connections: z.int().min(1),
  warmupMs: z.number(),
  durationMs: z.number(),
  /** The measured time goes on until each connection has been answered so often on average; default 1. */
  leastPerConnection: z.int().min(1).optional(),
});
export type LoadOptions = z.infer<typeof LoadOptions>;

/** Requests are sent at moments of a Poisson process, whether or not earlier ones were answered. */
export const OpenLoadOptions = LoadOptions.extend({ perSecond: z.number().positive(), seed: z.int() });
export type OpenLoadOptions = z.infer<typeof OpenLoadOptions>;

export const LoadResult = z.object({
  /** All that were answered, also before and after the measured time. */
  answered: z.int(),
  /** Those measured. */
  requests: z.int(),
  seconds: z.number(),
  p50Ms: z.number(),
  p95Ms: z.number(),
  p99Ms: z.number(),
});
export type LoadResult = z.infer<typeof LoadResult>;
