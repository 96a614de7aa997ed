/** Column definitions that several entities share. */
import type { ColumnOptions, ValueTransformer } from 'typeorm';

/** PostgreSQL's bigint as a JavaScript number; our values (bytes, milliseconds, counters) stay below 2^53. */
const bigintAsNumber: ValueTransformer = {
  to: (value: number | null | undefined) => value,
  from: (value: string | null) => (value === null ? null : Number(value)),
};

export const bigint = { type: 'bigint', transformer: bigintAsNumber } as const satisfies ColumnOptions;
export const instant: ColumnOptions = { type: 'timestamptz' };
export const nullableInstant: ColumnOptions = { type: 'timestamptz', nullable: true };
export const json: ColumnOptions = { type: 'jsonb' };
export const nullableJson: ColumnOptions = { type: 'jsonb', nullable: true };
export const tags: ColumnOptions = { type: 'jsonb', default: {} };
