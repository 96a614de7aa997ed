/** Search across everything that has a name, a description, tags or a card. */
import { z } from 'zod';
import { Id, ModelName, VersionNumber, pageOf, pageQuery } from './common.js';
import type { Scope } from './scopes.js';

export const searchKinds = ['model', 'card', 'version', 'endpoint', 'experiment', 'run'] as const;
export const SearchKind = z.enum(searchKinds);
export type SearchKind = z.infer<typeof SearchKind>;

/** What a caller needs to find things of a kind. */
export const searchScopes: Readonly<Record<SearchKind, Scope>> = {
  model: 'models:read',
  card: 'models:read',
  version: 'models:read',
  endpoint: 'endpoints:read',
  experiment: 'runs:read',
  run: 'runs:read',
};

/** The words of a text: runs of letters and digits, in lower case, each once. */
export const wordsOf = (text: string): string[] => [
  ...new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []),
];

export const SearchQuery = z.strictObject({
  ...pageQuery,
  q: z
    .string()
    .max(500)
    .refine((text) => wordsOf(text).length > 0, 'needs a letter or digit')
    .refine((text) => wordsOf(text).length <= 20, 'must hold at most 20 words')
    .describe('Words, or beginnings of words; all must be there'),
  kinds: z
    .string()
    .max(200)
    .transform((text) => text.split(','))
    .pipe(z.array(SearchKind))
    .optional()
    .describe('Comma-separated; default: every kind that the token may read'),
  archived: z.enum(['false', 'any']).default('false').describe('`any`: also what is archived or deleted'),
});
export type SearchQuery = z.output<typeof SearchQuery>;

export const SearchHit = z
  .object({
    kind: SearchKind,
    id: Id.describe('Of the thing; of the model in the case of its card'),
    name: z.string(),
    model: ModelName.nullable().describe('Of a model, card, version or endpoint'),
    version: VersionNumber.nullable(),
    hidden: z.boolean().describe('Archived or deleted'),
    excerpt: z.string().describe('Plain text around what was found, found words between « and »'),
  })
  .meta({ id: 'SearchHit' });
export type SearchHit = z.infer<typeof SearchHit>;
export const SearchPage = pageOf(SearchHit);
