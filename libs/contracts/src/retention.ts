/** Retention: which versions of a model may go by themselves. Deleting by hand asks for the name to be typed. */
import { z } from 'zod';
import { Timestamp, VersionNumber } from './common.js';

export const RetentionRule = z
  .strictObject({
    keep_last: z.int().min(1).max(100_000).describe('The newest so many stay, whatever their age'),
    older_than_days: z.number().min(0).max(36_500).default(0).describe('Younger ones stay'),
    action: z
      .enum(['archive', 'delete'])
      .describe('delete archives first, and deletes at a later look once no node holds the version'),
  })
  .meta({ id: 'RetentionRule' });
export type RetentionRule = z.infer<typeof RetentionRule>;

export const keepReasons = ['newest', 'young', 'traffic', 'alias', 'pending', 'archived'] as const;

/** What a rule would do now. */
export const RetentionPreview = z
  .object({
    archive: z.array(VersionNumber),
    delete: z.array(VersionNumber),
    keep: z.array(z.object({ version: VersionNumber, reason: z.enum(keepReasons) })),
    at: Timestamp,
  })
  .meta({ id: 'RetentionPreview' });
export type RetentionPreview = z.infer<typeof RetentionPreview>;

/** `iris` for a model, `iris/3` for a version. */
export const Confirmation = z.strictObject({
  confirm: z
    .string()
    .max(1_100)
    .optional()
    .describe('The name of what is to be deleted: `iris`, or `iris/3`'),
});
