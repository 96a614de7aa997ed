/** One of Sluice's programs as a process of its own, for tests that need several of a kind. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { packageRoot } from '#platform/program';

export interface Program {
  readonly url: string;
  /** Ends it as an operator would, or at once. */
  end(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** @param path below dist/apps, without its ending: `registry/src/main` */
export async function startProgram(path: string, settings: Record<string, string>): Promise<Program> {
  const { child, exited, errors } = run(path, settings);
  const ready = once(child, 'message') as Promise<[{ url: string }]>;
  const [message] = await Promise.race([
    ready,
    exited.then((code) => Promise.reject(new Error(`${path} ended with ${code}:\n${errors()}`))),
  ]);
  return {
    url: message.url,
    end: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await exited;
    },
  };
}

/** Runs a program that ends by itself. @throws Error unless it ends well */
export async function runProgram(path: string, settings: Record<string, string>): Promise<void> {
  const { exited, errors } = run(path, settings);
  const code = await exited;
  if (code !== 0) throw new Error(`${path} ended with ${code}:\n${errors()}`);
}

function run(path: string, settings: Record<string, string>) {
  const child = fork(join(packageRoot, 'dist/apps', `${path}.js`), [], {
    env: { ...process.env, SLUICE_PARENT_IPC: '1', SLUICE_LOG_LEVEL: 'error', ...settings },
    // Vitest's own flags would have it load sources.
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let text = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-10_000);
  });
  const exited: Promise<number | null> = once(child, 'exit').then(([code]) => code as number | null);
  return { child, exited, errors: () => text };
}
