/** How much one request may ask of the decoders. */
import { z } from 'zod';

export const CodecLimits = z.object({
  maxDepth: z.int().min(8).max(1_000).default(100).describe('Nesting of arrays and objects in JSON'),
  maxElements: z.int().min(1).max(2 ** 31 - 1).default(2 ** 28).describe('Elements of one tensor'),
}); // prettier-ignore
export type CodecLimits = z.infer<typeof CodecLimits>;

/** Every limit has a default that is safe. */
export type CodecOptions = z.input<typeof CodecLimits>;
