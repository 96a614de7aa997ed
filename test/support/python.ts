/** Python programs of other projects, in environments that are made for them. Needs python3 with venv, and PyPI. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** @returns its exit code */
export async function run(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<number> {
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** @returns the interpreter of a new environment below `folder` that has these packages */
export async function makePython(folder: string, packages: readonly string[]): Promise<string> {
  const python = join(folder, 'venv/bin/python');
  // A slow registry is waited for.
  const patience = ['--retries', '10', '--timeout', '60'];
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...patience, ...packages];
  const isMade =
    (await run('python3', ['-m', 'venv', join(folder, 'venv')])) === 0 && (await run(python, pip)) === 0;
  if (!isMade) throw new Error('the Python environment cannot be made');
  return python;
}
