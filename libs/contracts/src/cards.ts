/** Model cards: what a person should know about a model, in Markdown. */
import { z } from 'zod';
import { ModelName, Timestamp, pageOf, pageQuery } from './common.js';

export const maxCardCharacters = 262_144;

export const ModelCard = z
  .object({
    model: ModelName,
    markdown: z.string().describe('Empty when there is none yet'),
    revision: z.int().min(0).describe('Also the ETag; 0 when there is none yet'),
    updated_at: Timestamp.nullable(),
    updated_by: z.string().nullable(),
  })
  .meta({ id: 'ModelCard' });
export type ModelCard = z.infer<typeof ModelCard>;
export const PutModelCard = z.strictObject({ markdown: z.string().max(maxCardCharacters) });
export const ListModelCards = z.strictObject({ ...pageQuery });
export const ModelCardPage = pageOf(ModelCard);
