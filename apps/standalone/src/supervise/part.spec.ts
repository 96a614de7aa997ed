import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { isAlive } from '../process-identity.js';
import type { PartSpec, PartState, PartStatus } from './part.js';
import { Supervisor } from './supervisor.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-part-'));
const announce = `process.send({ type: 'ready', url: 'http://x' });`;

/** A part that runs this program text. */
function program(name: string, text: string, extra: Partial<PartSpec> = {}): PartSpec {
  return {
    name,
    launch: () => ({ file: process.execPath, args: ['-e', text], env: {} }),
    ready: { by: 'ipc' },
    readyTimeoutMs: 10_000,
    stop: [{ signal: 'SIGTERM', waitMs: 5_000 }],
    logPath: join(folder, `${name}.log`),
    ...extra,
  };
}

/** A supervisor whose history can be read and awaited. */
function observed() {
  const history: PartStatus[] = [];
  const said: string[] = [];
  let wake = (): void => undefined;
  const supervisor = new Supervisor({
    changed: (status) => {
      history.push(status);
      wake();
    },
    said: (name, line) => said.push(`${name}: ${line.text}`),
  });
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise<void>((resolve) => (wake = resolve));
    await turn();
  };
  const states = (name: string): PartState[] =>
    history.filter((each) => each.name === name).map((each) => each.state);
  return { supervisor, history, said, until, states };
}

let last: ReturnType<typeof observed> | undefined;
const observe = () => (last = observed());
afterEach(async () => last?.supervisor.stop());

describe('a supervised part', () => {
  it('is ready when it says so, and stops in the opposite order', async () => {
    const { supervisor, history } = observe();
    const stayOn = `${announce} setInterval(() => {}, 1000);`;
    await supervisor.start([program('first', stayOn)]);
    await supervisor.start([program('second', stayOn)], [program('third', stayOn)]);
    expect(supervisor.status().map((each) => [each.name, each.state, each.address])).toEqual([
      ['first', 'READY', 'http://x'],
      ['second', 'READY', 'http://x'],
      ['third', 'READY', 'http://x'],
    ]);
    await supervisor.stop();
    const stopped = history.filter((each) => each.state === 'STOPPED').map((each) => each.name);
    expect(stopped).toEqual(['third', 'second', 'first']);
  });

  it('is started again after it died, and tells why', async () => {
    const { supervisor, history, until, states } = observe();
    await supervisor.start([program('mortal', `${announce} setInterval(() => {}, 1000);`)]);
    const pid = supervisor.status()[0]?.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    await until(() => states('mortal').filter((state) => state === 'READY').length === 2);
    expect(states('mortal')).toEqual(['STARTING', 'READY', 'BACKING_OFF', 'STARTING', 'READY']);
    expect(history.find((each) => each.state === 'BACKING_OFF')?.reason).toMatch(
      /^killed by SIGKILL; next try in \d+ ms$/,
    );
    expect(supervisor.status()[0]?.pid).not.toBe(pid);
  });

  it('gives up on a part that never comes up, with its last words', async () => {
    const { supervisor, states } = observe();
    const broken = program('broken', `console.error('the licence has run out'); process.exit(3);`);
    await expect(supervisor.start([broken])).rejects.toThrow(
      /broken does not start \(exit code 3: the licence has run out\)/,
    );
    expect(states('broken').filter((state) => state === 'STARTING')).toHaveLength(3);
    expect(readFileSync(join(folder, 'broken.log'), 'utf8')).toContain('the licence has run out');
  });

  it('gives up on a program that does not exist', async () => {
    const { supervisor } = observe();
    const absent = program('absent', '', { launch: () => ({ file: '/nowhere/program', args: [], env: {} }) });
    await expect(supervisor.start([absent])).rejects.toThrow(/absent does not start .*ENOENT/);
  });

  it('kills a part that will not stop, together with what it started', async () => {
    const { supervisor, said, until } = observe();
    const child = `setInterval(() => {}, 1000)`;
    const deaf = `
      const { spawn } = require('node:child_process');
      const grandchild = spawn(process.execPath, ['-e', ${JSON.stringify(child)}]);
      process.on('SIGTERM', () => {});
      process.send({ type: 'ready', url: String(grandchild.pid) });`;
    await supervisor.start([program('deaf', deaf, { stop: [{ signal: 'SIGTERM', waitMs: 200 }] })]);
    const [status] = supervisor.status();
    await supervisor.stop();
    await until(() => !isAlive(status?.pid ?? 0));
    expect(said).toContain('deaf: did not stop within 200 ms of SIGTERM');
    await expect.poll(() => isAlive(Number(status?.address))).toBe(false);
  });

  it('can be stopped in the middle of its start', async () => {
    const { supervisor, until, states } = observe();
    const started = supervisor.start([program('slow', 'setInterval(() => {}, 1000)')]);
    const outcome = expect(started).rejects.toThrow('slow was stopped before it was ready');
    await until(() => states('slow').includes('STARTING'));
    await supervisor.stop();
    await outcome;
    expect(states('slow').at(-1)).toBe('STOPPED');
  });

  it('surfaces warnings and errors of its log', async () => {
    const { supervisor, said, until } = observe();
    const line = JSON.stringify({ level: 'warn', msg: 'the disk is nearly full' });
    await supervisor.start([
      program('chatty', `console.log(${JSON.stringify(line)}); ${announce} setInterval(() => {}, 1000);`),
    ]);
    await supervisor.stop();
    await until(() => said.length > 0);
    expect(said).toEqual(['chatty: the disk is nearly full']);
  });
});
