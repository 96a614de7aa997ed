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

/** Installs a hundred packages in seconds where pip takes minutes, and keeps them for the next time. */
const installer = 'uv==0.13.9';

/** @returns the interpreter of a new environment below `folder` that has these packages */
export async function makePython(folder: string, packages: readonly string[]): Promise<string> {
  const python = join(folder, 'venv/bin/python');
  // A slow registry is waited for.
  const patience = ['--retries', '10', '--timeout', '60'];
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...patience, installer];
  const uv = [
    '-m',
    'uv',
    'pip',
    'install',
    '--quiet',
    '--python',
    python,
    '--only-binary',
    ':all:',
    ...packages,
  ];
  const isMade =
    (await run('python3', ['-m', 'venv', join(folder, 'venv')])) === 0 &&
    (await run(python, pip)) === 0 &&
    (await run(python, uv, { UV_HTTP_TIMEOUT: '60', UV_HTTP_RETRIES: '10' })) === 0;
  if (!isMade) throw new Error('the Python environment cannot be made');
  return python;
}
