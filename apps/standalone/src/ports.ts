import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '#platform/errors';
import { StartError } from '#platform/start';
import { codeOf } from './error-code.js';

/** Binds and lets go again: the port that the system gave, or the failure. */
function tryPort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(bound));
    });
  });
}

function portError(error: unknown, host: string, port: number, setting: string): StartError {
  const sentences: Readonly<Record<string, string>> = {
    EADDRINUSE: `Port ${port} is in use by another program. Free it, or choose another with ${setting} (0 picks a free one).`,
    EACCES: `Port ${port} may not be opened by this user. Choose one above 1023 with ${setting}.`,
    EADDRNOTAVAIL: `${host} is not an address of this machine.`,
  };
  const other = `Port ${port} on ${host} cannot be opened: ${messageOf(error)}.`;
  return new StartError(sentences[codeOf(error) ?? ''] ?? other, { cause: error });
}

/**
 * Makes sure that `port` can be opened on `host`; port 0 becomes a free one.
 * `patienceMs` is how long a port may still be held by the remains of an earlier start.
 */
export async function freePort(options: {
  host: string;
  port: number;
  setting: string;
  patienceMs?: number;
}): Promise<number> {
  const { host, port, setting, patienceMs = 0 } = options;
  const giveUpAtMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return await tryPort(host, port);
    } catch (error) {
      if (codeOf(error) !== 'EADDRINUSE' || performance.now() >= giveUpAtMs)
        throw portError(error, host, port, setting);
      await sleep(100);
    }
  }
}
