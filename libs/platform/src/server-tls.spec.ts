import { EventEmitter, once } from 'node:events';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { packageRoot } from './program.js';
import { ServerTls } from './server-tls.js';

const fixture = (name: string): string => join(packageRoot, 'test/fixtures/tls', name);
let folder: string;
let tls: ServerTls;
const said = new EventEmitter();
const logger = pino({}, { write: (line) => said.emit('line', line) });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-tls-'));
  await copyFile(fixture('first.pem'), join(folder, 'crt'));
  await copyFile(fixture('first.key'), join(folder, 'key'));
  const settings = {
    what: 'the test',
    certFile: join(folder, 'crt'),
    keyFile: join(folder, 'key'),
  };
  tls = await ServerTls.open(settings, logger);
});
afterEach(async () => {
  tls.close();
  await rm(folder, { recursive: true });
});

it('keeps the last good pair while the new one is incomplete, then takes it up', async () => {
  const first = tls.options.cert;
  const refused = once(said, 'line');
  await copyFile(fixture('second.pem'), join(folder, 'crt'));
  expect(String(await refused)).toContain('cannot be used');
  expect(tls.options.cert).toBe(first);
  const taken = once(said, 'line');
  await copyFile(fixture('second.key'), join(folder, 'key'));
  expect(String(await taken)).toContain('changed certificates are in use');
  expect(tls.options.cert).not.toBe(first);
});
