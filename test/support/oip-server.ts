/** The stand-in for servers that are not Sluice's, as a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface OipServerWishes {
  /** ONNX file with one FP32 input. */
  readonly file: string;
  readonly model: string;
  readonly version: string;
  /** Refuses models to everybody who does not send this. */
  readonly authorization?: string;
  /** Paths of PEM files. */
  readonly cert?: string;
  readonly key?: string;
  readonly clientCa?: string;
}

export interface OipServer {
  readonly url: string;
  kill(): Promise<void>;
}

export async function startOipServer(wishes: OipServerWishes): Promise<OipServer> {
  const script = fileURLToPath(new URL('../fixtures/oip-server.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(wishes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const [line] = (await Promise.race([
    once(child.stdout, 'data'),
    exited.then(() => Promise.reject(new Error('the stand-in did not start'))),
  ])) as [Buffer];
  return {
    url: line.toString().trim(),
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
