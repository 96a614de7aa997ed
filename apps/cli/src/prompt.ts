/** Asks a person at the terminal; never a script, which has no answer. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { UsageError } from './exit-code.js';

const silent = new Writable({ write: (_chunk, _encoding, done) => done() });

function requireTerminal(): void {
  if (process.stdin.isTTY) return;
  throw new UsageError(
    'There is no terminal to ask at. Use --login with --password-stdin, or --token-stdin.',
  );
}

export async function ask(question: string): Promise<string> {
  requireTerminal();
  const line = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await line.question(question)).trim();
  } finally {
    line.close();
  }
}

/** Shows nothing of what is typed. */
export async function askSecret(question: string): Promise<string> {
  requireTerminal();
  process.stderr.write(question);
  const line = createInterface({ input: process.stdin, output: silent, terminal: true });
  try {
    return await line.question('');
  } finally {
    line.close();
    process.stderr.write('\n');
  }
}

/** All of stdin, without the line's end. @throws UsageError when it is empty */
export async function readAll(): Promise<string> {
  const read = (await text(process.stdin)).replace(/\r?\n$/, '');
  if (read === '') throw new UsageError('Nothing came on stdin.');
  return read;
}
