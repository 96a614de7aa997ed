/** What the command ends with, for scripts. These numbers never change their meaning. */
import { SluiceClientError } from '#client/client';

export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  conflict: 5,
  timedOut: 6,
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The command line is wrong, or something that it needs is missing. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The code of a failure. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return exitCodes.usage;
  if (!(error instanceof SluiceClientError)) return exitCodes.failure;
  switch (error.status) {
    case 400:
    case 422:
      return exitCodes.usage;
    case 401:
    case 403:
      return exitCodes.refused;
    case 404:
    case 410:
      return exitCodes.notFound;
    case 409:
    case 412:
    case 428:
      return exitCodes.conflict;
    default:
      return exitCodes.failure;
  }
}
