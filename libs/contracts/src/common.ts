/** Shapes that several resources share: names, identifiers, times, digests and pages. */
import { z } from 'zod';

export const Id = z.uuid().describe('UUIDv7');
export const Timestamp = z.iso.datetime().describe('RFC 3339, UTC');
export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 digest in lower-case hex')
  .describe('SHA-256 in lower-case hex');

const isLoneDots = (segment: string): boolean => segment === '.' || segment === '..';
/** No slash, colon or control character, and no space at either end. */
const segment = String.raw`[^\s/:\p{C}](?:[^/:\p{C}]*[^\s/:\p{C}])?`;

/** A name that can stand in one URL path segment of every protocol: no slash, colon, control character or lone dots. */
export const Name = z
  .string()
  .min(1)
  .max(255)
  .regex(
    new RegExp(`^${segment}$`, 'u'),
    'must not hold "/", ":" or control characters, nor begin or end with a space',
  )
  .refine((name) => !isLoneDots(name), 'must not be "." or ".."');

/** The name of a model or an endpoint: one segment, or several as in `org/name`. None leads out of a folder or a path. */
export const ModelName = z
  .string()
  .min(1)
  .max(255)
  .regex(
    new RegExp(`^${segment}(?:/${segment})*$`, 'u'),
    'must be a name, or several with "/" between them, that hold no ":" or control characters, nor begin or end with a space',
  )
  .refine((name) => !name.split('/').some(isLoneDots), 'must not hold the segments "." or ".."');

export const AliasName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[A-Za-z_][\w-]*$/, 'must begin with a letter and hold only letters, digits, "_" and "-"')
  .refine(
    (alias) => alias.toLowerCase() !== 'latest' && !/^v\d+$/i.test(alias),
    'must not be "latest" or look like a version number',
  );

export const VersionNumber = z.int().min(1).max(2_147_483_647);
/** A version number in a path or query, where everything is text. */
export const VersionNumberText = z
  .string()
  .regex(/^[1-9]\d{0,9}$/, 'must be a version number')
  .transform(Number)
  .pipe(VersionNumber);

export const Tags = z
  .record(z.string().min(1).max(250), z.string().max(100_000))
  .describe('Free key-value pairs');
export const Description = z.string().max(65_536);

/** Query of every list: keyset pagination, newest or smallest first as the route says. */
export const pageQuery = {
  page_size: z.coerce.number().int().min(1).max(1_000).default(100).describe('Rows per page'),
  page_token: z.string().max(2_048).optional().describe('`next_page_token` of the page before'),
};

/** A page of `item`; `next_page_token` is absent on the last page. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next_page_token: z.string().optional() });

export interface Page<T> {
  readonly items: T[];
  readonly next_page_token?: string | undefined;
}
