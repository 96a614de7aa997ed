/** Pieces of MLflow's messages that several calls share, with its own limits. */
import { SluiceError } from '#platform/errors';
import { z } from 'zod';

/** int64 travels as a number or as text. */
export const Int64 = z.union([
  z.int(),
  z
    .string()
    .regex(/^-?\d+$/)
    .transform(Number)
    .pipe(z.int()),
]);
export const Millis = Int64.pipe(z.int().min(0).max(8_640_000_000_000_000));
export const Key = z.string().min(1).max(250);

/** Name of a metric, param or tag of a run; MLflow uses them as paths. */
export const RunKey = Key.regex(
  /^[\p{L}\p{M}\p{N}_\-. :/]+$/u,
  'may hold letters, digits, "_", "-", ".", " ", ":" and "/" only',
).refine(
  (key) => !/^\/|\/$|\/\/|(?:^|\/)\.\.?(?:\/|$)/.test(key),
  'must be a clean relative path: no "//", ".", ".." or slash at an end',
);

/** Of values of tags of registered models and versions. */
export const maxRegistryTagChars = 100_000;

/** A repeated query parameter that was given once comes as a single text. */
export const TextList = z.union([z.array(z.string()), z.string().transform((text) => [text])]).default([]);

export const tagList = (maxValueChars: number) =>
  z
    .array(z.object({ key: Key, value: z.string().max(maxValueChars).default('') }))
    .default([])
    .transform((tags) => Object.fromEntries(tags.map(({ key, value }) => [key, value])));

export const searchFields = (defaultRows: number, maxRows: number) => ({
  filter: z.string().max(20_000).default(''),
  order_by: TextList,
  max_results: z.coerce.number().int().min(1).max(maxRows).default(defaultRows),
  page_token: z.string().max(40_000).default(''),
});

/** `[{ key, value }]` of a record. */
export const toPairs = (record: Readonly<Record<string, string>>): { key: string; value: string }[] =>
  Object.entries(record).map(([key, value]) => ({ key, value }));

/** A UUID as MLflow writes ids: 32 hex digits. */
export const toHex = (uuid: string): string => uuid.replaceAll('-', '');

/** The UUID of 32 hex digits; undefined for anything else. */
export function fromHex(hex: string): string | undefined {
  const parts = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/.exec(hex);
  return parts?.slice(1).join('-');
}

/** Clients send the id of a run under both of its names. */
export const runFields = { run_id: z.string().optional(), run_uuid: z.string().optional() };

/** @throws SluiceError RUN_NOT_FOUND or INVALID_REQUEST */
export function runIdOf(input: { run_id?: string | undefined; run_uuid?: string | undefined }): string {
  const hex = input.run_id ?? input.run_uuid;
  if (hex === undefined || hex === '')
    throw new SluiceError('INVALID_REQUEST', "Missing value for required parameter 'run_id'.");
  const id = fromHex(hex);
  if (id === undefined) throw runNotFound(hex);
  return id;
}

export const runNotFound = (id: string): SluiceError =>
  new SluiceError('RUN_NOT_FOUND', `Run with id=${id.slice(0, 100)} not found.`);

/** The tag that mirrors the name of a run. */
export const runNameTag = 'mlflow.runName';
