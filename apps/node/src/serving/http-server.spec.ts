/** What the front hands to a pool and makes of its outcomes, without a runner. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from '#platform/logger';
import { createFront } from './http-server.js';
import { modelTable } from './model-table.js';
import { failure } from './outcome.js';
import type { Job, Outcome } from './outcome.js';

let server: Server;
let url = '';
let jobs: Job[] = [];
let abandoned = 0;
let respond: (job: Job) => Outcome | undefined;

const result = (body: Buffer, headerLength?: number): Outcome => ({
  kind: 'result',
  body,
  headerLength,
  timing: { rows: 1, batchRows: 1, items: 1, computeUs: 0, queueUs: 0, inputUs: 0, inferUs: 0, outputUs: 0 },
});
const table = modelTable(
  [
    {
      model: 'm',
      version: 1,
      configRevision: 1,
      state: 'READY',
      signature: { inputs: [], outputs: [] },
      defaultTimeoutMs: 10_000,
      batching: { maxRows: 0, maxDelayUs: 0 },
      instances: 1,
      pool: {
        inFlight: 0,
        residentBytes: 0,
        submit: (job) => {
          jobs.push(job);
          const outcome = respond(job);
          if (outcome) job.settle(outcome);
          return { abandon: () => (abandoned += 1) };
        },
      },
    },
  ],
  [{ model: 'm', version: 1, state: 'READY', reason: null }],
);

beforeAll(async () => {
  server = createFront({
    auth: { isRemembered: () => true, check: () => Promise.resolve() },
    table: () => table,
    isReady: () => true,
    isDraining: () => false,
    limits: { maxBodyBytes: 10_000, maxInflatedBytes: 10_000, bodyTimeoutMs: 10_000 },
    serverName: 'sluice',
    programVersion: '1',
    logger: createLogger('node', 'silent'),
    tls: undefined,
    spans: undefined,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});
beforeEach(() => {
  jobs = [];
  abandoned = 0;
  respond = () => result(Buffer.from('{}'));
});

const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url + path, { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers });
const bodyOf = (job: Job | undefined): string => Buffer.concat([...(job?.body ?? [])]).toString();

describe('a job', () => {
  it.each([
    ['/v2/models/m/infer', 'oip'],
    ['/v1/models/m:predict', 'predict'],
    ['/v1/models/m:classify', 'classify'],
    ['/v1/models/m/versions/1:regress', 'regress'],
  ])('of %s is in the protocol %s', async (path, protocol) => {
    await post(path, '{"a":1}');
    expect(jobs).toMatchObject([{ protocol, headerLength: undefined }]);
    expect(bodyOf(jobs[0])).toBe('{"a":1}');
  });

  it('carries the header length of the Open Inference Protocol, also 0 and the whole body', async () => {
    for (const length of ['0', '3', '7'])
      await post('/v2/models/m/infer', '{"a":1}', { 'inference-header-content-length': length });
    await post('/v1/models/m:predict', '{}', { 'inference-header-content-length': '1' });
    expect(jobs.map(({ headerLength }) => headerLength)).toEqual([0, 3, 7, undefined]);
  });

  it('is never made of a header length beyond the body, also when that was compressed', async () => {
    const headers = { 'inference-header-content-length': '8' };
    expect((await post('/v2/models/m/infer', '{"a":1}', headers)).status).toBe(400);
    const zipped = { ...headers, 'content-encoding': 'gzip' };
    expect((await post('/v2/models/m/infer', gzipSync('{"a":1}'), zipped)).status).toBe(400);
    expect(jobs).toEqual([]);
  });

  it('has what is left of the deadline', async () => {
    await post('/v2/models/m/infer', '{}', { 'x-sluice-deadline-ms': '500' });
    expect(jobs[0]?.timeoutMs).toBeGreaterThan(300);
    expect(jobs[0]?.timeoutMs).toBeLessThanOrEqual(500);
  });

  it('is abandoned when its caller goes', async () => {
    const submitted = new Promise<void>((resolve) => {
      respond = () => {
        resolve();
        return undefined;
      };
    });
    const gone = new AbortController();
    const call = fetch(`${url}/v2/models/m/infer`, { method: 'POST', body: '{}', signal: gone.signal });
    await submitted;
    gone.abort();
    await expect(call).rejects.toThrow();
    await expect.poll(() => abandoned).toBe(1);
  });
});

describe('an outcome', () => {
  it('with binary tensors is an octet stream and says where they begin, also when compressed', async () => {
    const body = Buffer.concat([Buffer.from('{"b":1}'), Buffer.alloc(4_000)]);
    respond = () => result(body, 7);
    for (const encoding of ['identity', 'gzip']) {
      const answer = await post('/v2/models/m/infer', '{}', { 'accept-encoding': encoding });
      expect(answer.headers.get('content-type')).toBe('application/octet-stream');
      expect(answer.headers.get('inference-header-content-length')).toBe('7');
      expect(answer.headers.get('content-encoding')).toBe(encoding === 'gzip' ? 'gzip' : null);
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(body);
    }
  });

  it('without them is JSON', async () => {
    const answer = await post('/v2/models/m/infer', '{}');
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.headers.get('inference-header-content-length')).toBeNull();
  });

  it('that failed is the error of every protocol', async () => {
    respond = () => ({ ...failure('OVERLOADED', 'too many'), retryAfterS: 7 });
    for (const path of ['/v2/models/m/infer', '/v1/models/m:predict']) {
      const answer = await post(path, '{}');
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toBe('7');
      expect(await answer.json()).toEqual({ error: 'too many' });
    }
  });
});
