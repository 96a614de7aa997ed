/** One call of MLflow's protocol: where it is, who may make it, what it takes and what it does. */
import type { Access, HttpMethod } from '#contracts/route';
import { SluiceError } from '#platform/errors';
import type { z } from 'zod';
import type { Caller } from '../http/caller.js';

interface OperationHead<S extends z.ZodType> {
  readonly method: HttpMethod;
  /** Below `/api/2.0/mlflow/`. */
  readonly path: string;
  readonly access: Access;
  readonly input: S;
  /** Present where a call makes something new each time. */
  readonly creates?: Creates;
}

type Fields = Readonly<Record<string, unknown>>;

/** Whether a call that is equal to its caller's last one, which has been answered, can only be its repeat: nobody asks so twice on purpose. */
export type Creates = (raw: Fields, isStockClient: boolean) => boolean;

export interface Operation {
  readonly method: HttpMethod;
  readonly path: string;
  readonly access: Access;
  readonly creates?: Creates | undefined;
  /** @param raw the fields of query, body and path together */
  handle(raw: Fields, caller: Caller): Promise<object>;
}

/** What has a name of its own can be asked for twice by mistake, and is told so. */
export const never: Creates = () => false;

/** An answer that is JSON already. */
export class JsonText {
  constructor(readonly text: string) {}
}

/** What a service offers under MLflow's paths. */
export interface OperationSource {
  readonly operations: readonly Operation[];
}

/** An operation whose handler gets its input parsed; no result is the empty object. */
export function operation<S extends z.ZodType>(
  { input, ...head }: OperationHead<S>,
  run: (input: z.output<S>, caller: Caller) => Promise<object | void>,
): Operation {
  return { ...head, handle: async (raw, caller) => (await run(parseFields(input, raw), caller)) ?? {} };
}

/** Unknown fields are ignored, and null is absence, as in protobuf's JSON. @throws SluiceError INVALID_REQUEST */
export function parseFields<S extends z.ZodType>(
  schema: S,
  raw: Readonly<Record<string, unknown>>,
): z.output<S> {
  const given = Object.fromEntries(Object.entries(raw).filter(([, value]) => value !== null));
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new SluiceError(
    'INVALID_REQUEST',
    `Invalid value for parameter '${issue?.path.join('.') ?? ''}': ${issue?.message ?? ''}`,
  );
}
