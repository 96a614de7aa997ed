/** The system error code (`ENOENT`, `EACCES`) of whatever was thrown, if it has one. */
export const codeOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
