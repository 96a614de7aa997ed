import { QueryFailedError } from 'typeorm';
import { z } from 'zod';

/** SQLSTATE class 23, integrity constraint violation. */
const Violation = z.object({ code: z.string().startsWith('23'), constraint: z.string() });

/** The name of the constraint that made a statement fail; undefined when it failed for another reason. */
export function violatedConstraint(error: unknown): string | undefined {
  if (!(error instanceof QueryFailedError)) return undefined;
  const violation = Violation.safeParse(error.driverError);
  return violation.success ? violation.data.constraint : undefined;
}
