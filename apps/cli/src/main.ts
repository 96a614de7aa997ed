#!/usr/bin/env node
/** The command `sluice`: Sluice's API at the terminal and in scripts. */
import { ConfigError } from '#platform/env';
import { run } from './cli.js';
import { exitCodes } from './exit-code.js';
import type { ExitCode } from './exit-code.js';
import { loadCliSettings } from './settings.js';

/** Whoever reads our output may stop reading, as `head` does. */
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failure);
  });

async function main(): Promise<ExitCode> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  try {
    const settings = loadCliSettings();
    const io = {
      stdout: (text: string) => void process.stdout.write(text),
      stderr: (text: string) => void process.stderr.write(text),
      colour: process.stdout.isTTY && settings.NO_COLOR === undefined,
    };
    return await run(process.argv.slice(2), settings, io, interrupted.signal);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`sluice: ${error.message}\n`);
    return exitCodes.usage;
  }
}

process.exitCode = await main();
