/** What the load generator is told, and what it answers. */
import { z } from 'zod';

export const LoadOptions = z.object({
  host: z.string(),
  port: z.number(),
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
  connections: z.int().min(1),
  warmupMs: z.number(),
  durationMs: z.number(),
});
export type LoadOptions = z.infer<typeof LoadOptions>;

export const LoadResult = z.object({
  requests: z.int(),
  seconds: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
});
export type LoadResult = z.infer<typeof LoadResult>;
