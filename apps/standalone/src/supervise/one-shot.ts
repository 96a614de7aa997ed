import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { messageOf } from '#platform/errors';
import { StartError } from '#platform/start';
import { exitReason, isTrace, readLogLine } from './log-line.js';
import type { Launch } from './part.js';

/** Runs a program that has an end, such as the migrations. Its failure is told with its last words; `signal` breaks it off. */
export function runToEnd(
  spec: { readonly name: string; readonly launch: Launch; readonly logPath: string },
  signal: AbortSignal,
): Promise<void> {
  const { name, launch, logPath } = spec;
  return new Promise((resolve, reject) => {
    const log = createWriteStream(logPath, { flags: 'a', mode: 0o600 });
    const child = spawn(launch.file, launch.args, {
      ...launch.options,
      env: launch.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a terminal's Ctrl-C goes through us, as for every part
      signal,
    });
    let lastWords: string | undefined;
    const fail = (how: string): void =>
      reject(new StartError(`${name} failed (${how}). Its log: ${logPath}`));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        log.write(`${line}\n`);
        const { severity, text } = readLogLine(line);
        if (severity === 'error' || (stream === child.stderr && !isTrace(line))) lastWords = text;
      });
    }
    child.on('error', (error) => fail(messageOf(error)));
    child.on('close', (code, killedBy) => {
      log.end();
      if (code === 0) resolve();
      else fail(exitReason(code, killedBy, lastWords));
    });
  });
}
