/** A failure that the person who typed the command can mend. Its message is the one line that is shown. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** The system error code (`ENOENT`, `EACCES`) of whatever was thrown, if it has one. */
export const codeOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
