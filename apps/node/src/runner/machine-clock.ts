/** Milliseconds of the machine's monotonic clock, which front and runners share; `performance.now` begins with its process. */
export function machineMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1_000_000;
}
