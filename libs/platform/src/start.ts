/** How a program starts, and what a person reads when it cannot. */
import { messageOf } from './errors.js';

/** A failure to start that its message explains in full to whoever can mend it. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
}

/** One line for a foreseen failure; any other shows where it came from. */
function explain(error: unknown): string {
  const isListening = error instanceof Error && Reflect.get(error, 'syscall') === 'listen';
  return isListening || error instanceof StartError || !(error instanceof Error)
    ? messageOf(error)
    : (error.stack ?? error.message);
}

/** Runs `start`; if it fails, says why on stderr and ends the process with code 1. */
export async function startProgram(name: string, start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    process.stderr.write(`sluice ${name}: ${explain(error)}\n`);
    process.exit(1);
  }
}
