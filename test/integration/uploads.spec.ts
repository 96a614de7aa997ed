import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { uploadVersion } from '#client/upload';
import type { UploadFile } from '#client/upload';
import { Problem } from '#contracts/errors';
import { Version } from '#contracts/models';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { auditedActions, newModel } from '../support/versions.js';

const mebibyte = 1_048_576;
const maxUploadBytes = 200 * mebibyte;
let registry: TestRegistry;
let model: string;
beforeAll(async () => {
  registry = await startRegistry({ SLUICE_MAX_UPLOAD_BYTES: String(maxUploadBytes) });
});
afterAll(() => registry.close());
beforeEach(async () => {
  model = await newModel(registry);
});

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');
const path = (query = ''): string => `/api/v1/models/${model}/versions${query}`;
const options = () => ({ baseUrl: registry.url, token: () => registry.adminToken });
const upload = (files: readonly UploadFile[], metadata = {}) =>
  uploadVersion(options(), model, files, metadata);

interface Sent {
  readonly status: number;
  readonly code: string | undefined;
  readonly detail: string | undefined;
}

/** Sends a body as it is and says how it was refused. */
async function post(
  body: NonNullable<RequestInit['body']>,
  headers: Record<string, string> = {},
  query = '',
): Promise<Sent> {
  const init = {
    headers: { authorization: `Bearer ${registry.adminToken}`, ...headers },
    body,
    duplex: 'half',
  } as const;
  const response = await registry.send('POST', path(query), init);
  const problem = Problem.safeParse(await response.json());
  return { status: response.status, code: problem.data?.code, detail: problem.data?.detail };
}

interface Part {
  readonly headers: string;
  readonly body?: string;
}
const filePart = (filename: string, body = 'bytes', name = 'file'): Part => ({
  headers: `Content-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: application/octet-stream`,
  body,
});
const metadataPart = (metadata: unknown): Part => ({
  headers: 'Content-Disposition: form-data; name="metadata"\r\nContent-Type: application/json',
  body: typeof metadata === 'string' ? metadata : JSON.stringify(metadata),
});
const multipartType = { 'content-type': 'multipart/form-data; boundary=XX' };
const multipart = (...parts: Part[]): string =>
  `${parts.map((part) => `--XX\r\n${part.headers}\r\n\r\n${part.body ?? ''}\r\n`).join('')}--XX--\r\n`;
const postParts = (...parts: Part[]): Promise<Sent> => post(multipart(...parts), multipartType);

const readVersions = async () =>
  (await registry.admin.versions.list({ params: { model }, query: { archived: 'any' } })).items;
async function filesIn(folder: 'tmp' | 'sha256'): Promise<string[]> {
  const root = join(registry.config.SLUICE_ARTIFACTS_DIR, folder);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}
async function expectNothingLeft(): Promise<void> {
  expect(await readVersions()).toEqual([]);
  expect(await filesIn('tmp')).toEqual([]);
}

/** `totalBytes` of zeros, made as they are read. */
const zeros = (totalBytes: number): Readable =>
  Readable.from(
    (function* () {
      const chunk = Buffer.alloc(64 * 1_024);
      for (let left = totalBytes; left > 0; left -= chunk.length)
        yield chunk.subarray(0, Math.min(left, chunk.length));
    })(),
    { objectMode: false },
  );

/** Sends as the registry takes it, from one chunk: the sender, in this same process, needs no memory of its own. */
async function postZeros(totalBytes: number): Promise<Version> {
  const headers = {
    authorization: `Bearer ${registry.adminToken}`,
    'content-type': 'application/octet-stream',
  };
  const sent = httpRequest(new URL(path(), registry.url), { method: 'POST', headers });
  zeros(totalBytes).pipe(sent);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return Version.parse(await json(response));
}

// First, while the process is small: memory that later tests free would hide what this one takes.
describe('a large upload', () => {
  it('of 180 MiB is never held in memory', async () => {
    expect(await upload([{ path: 'small.onnx', source: randomBytes(10) }])).toMatchObject({ version: 1 });
    // Warm: what is measured is the body, not the compiler and the allocator.
    expect(await postZeros(20 * mebibyte)).toMatchObject({ version: 2 });
    let peakBytes = 0;
    const beforeBytes = process.memoryUsage().rss;
    const watch = setInterval(() => {
      peakBytes = Math.max(peakBytes, process.memoryUsage().rss);
    }, 5);
    const version = await postZeros(180 * mebibyte);
    clearInterval(watch);
    expect(version.files[0]?.size_bytes).toBe(180 * mebibyte);
    expect(peakBytes - beforeBytes).toBeLessThan(100 * mebibyte);
  });
});

describe('an upload as multipart', () => {
  it('becomes a PENDING version with its files, digests, config and metadata', async () => {
    const onnx = randomBytes(3_000);
    const labels = Buffer.from('setosa\nversicolor');
    const version = await upload(
      [
        { path: 'model.onnx', source: onnx },
        { path: 'labels/größe.txt', source: labels },
      ],
      {
        description: 'first',
        tags: { by: 'ci' },
        config: { instances: 2 },
        files: { 'model.onnx': sha256Of(onnx) },
      },
    );
    expect(version).toMatchObject({
      model,
      version: 1,
      status: 'PENDING',
      status_reason: null,
      description: 'first',
      tags: { by: 'ci' },
      entry_file: 'model.onnx',
      signature: null,
      aliases: [],
      config: { revision: 1, config: { instances: 2, replicas: 2 } },
      created_by: 'client:admin',
      files: [
        { path: 'labels/größe.txt', sha256: sha256Of(labels), size_bytes: labels.length },
        { path: 'model.onnx', sha256: sha256Of(onnx), size_bytes: onnx.length },
      ],
    });
    expect(await registry.admin.versions.read({ params: { model, version: '1' } })).toEqual(version);
    expect(await auditedActions(registry, `models/${model}/versions/1`)).toEqual(['version.create']);
    expect(await registry.admin.models.read({ params: { model } })).toMatchObject({ latest_version: 1 });
  });

  it('may send the metadata after the files, in parts of any name', async () => {
    const sent = await postParts(
      filePart('a.onnx', 'aaa', 'whatever'),
      filePart('b.onnx', 'bbb'),
      metadataPart({ entry_file: 'b.onnx', tags: { late: 'yes' } }),
    );
    expect(sent.status).toBe(201);
    expect(await readVersions()).toMatchObject([{ entry_file: 'b.onnx', tags: { late: 'yes' } }]);
  });

  it('is checked as a whole when its digest is announced', async () => {
    const body = multipart(filePart('a.onnx'));
    const digest = (text: string) => ({
      'content-digest': `sha-256=:${base64(sha256Of(Buffer.from(text)))}:`,
    });
    expect(await post(body, { ...multipartType, ...digest('other') })).toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    await expectNothingLeft();
    expect(await post(body, { ...multipartType, ...digest(body) })).toMatchObject({ status: 201 });
  });

  it('takes up to 1000 files', async () => {
    const parts = Array.from({ length: 1_000 }, (_, index) => filePart(`f${index}.bin`, 'same'));
    expect(await postParts(filePart('a.onnx'), ...parts)).toMatchObject({
      code: 'INVALID_REQUEST',
      detail: expect.stringContaining('at most 1000 files') as string,
    });
    await expectNothingLeft();
    expect(await postParts(filePart('a.onnx'), ...parts.slice(1))).toMatchObject({ status: 201 });
  });

  it.each<[string, Part[], string, string]>([
    ['no file', [metadataPart({})], 'INVALID_REQUEST', 'holds no file'],
    ['an empty file', [filePart('a.onnx', '')], 'INVALID_REQUEST', 'is empty'],
    [
      'a file without a name',
      [{ headers: 'Content-Disposition: form-data; name="x"', body: 'y' }],
      'INVALID_REQUEST',
      'no filename',
    ],
    ['a path twice', [filePart('a.onnx'), filePart('a.onnx')], 'INVALID_REQUEST', 'sent twice'],
    [
      'a file as a folder',
      [filePart('a.onnx'), filePart('a.onnx/b')],
      'INVALID_REQUEST',
      'a folder of the other',
    ],
    ['a path that climbs', [filePart('../a.onnx')], 'INVALID_REQUEST', '".."'],
    ['an absolute path', [filePart('/etc/a.onnx')], 'INVALID_REQUEST', 'relative path'],
    ['a path of Windows', [filePart('C:\\\\a.onnx')], 'INVALID_REQUEST', 'backslashes'],
    [
      'two models and no entry file',
      [filePart('a.onnx'), filePart('b.onnx')],
      'INVALID_REQUEST',
      'entry_file',
    ],
    ['no model and no entry file', [filePart('a.bin')], 'INVALID_REQUEST', 'entry_file'],
    [
      'an entry file that is not there',
      [filePart('a.onnx'), metadataPart({ entry_file: 'b.onnx' })],
      'INVALID_REQUEST',
      '"b.onnx"',
    ],
    ['metadata that is no JSON', [filePart('a.onnx'), metadataPart('{')], 'INVALID_JSON', 'metadata'],
    [
      'metadata with an unknown field',
      [filePart('a.onnx'), metadataPart({ entry: 'a' })],
      'INVALID_REQUEST',
      'metadata',
    ],
    [
      'metadata twice',
      [filePart('a.onnx'), metadataPart({}), metadataPart({})],
      'INVALID_REQUEST',
      'two parts',
    ],
    [
      'metadata that is too large',
      [filePart('a.onnx'), metadataPart({ description: 'x'.repeat(mebibyte) })],
      'INVALID_REQUEST',
      'larger than',
    ],
    [
      'another digest',
      [filePart('a.onnx'), metadataPart({ files: { 'a.onnx': '0'.repeat(64) } })],
      'DIGEST_MISMATCH',
      '000',
    ],
    [
      'a digest of a file not sent',
      [filePart('a.onnx'), metadataPart({ files: { b: '0'.repeat(64) } })],
      'INVALID_REQUEST',
      '"b"',
    ],
    [
      'a run that is not there',
      [filePart('a.onnx'), metadataPart({ run_id: '019aafff-0000-7000-8000-000000000000' })],
      'RUN_NOT_FOUND',
      '019aafff',
    ],
  ])('with %s is refused in words, leaving nothing', async (_, parts, code, words) => {
    const sent = await postParts(...parts);
    expect(sent).toMatchObject({ code, detail: expect.stringContaining(words) as string });
    expect(sent.status).toBeLessThan(500);
    await expectNothingLeft();
  });

  it.each([
    ['in a file', '--XX\r\nContent-Disposition: form-data; name="f"; filename="a.onnx"\r\n\r\nbyt'],
    ['in a header', '--XX\r\nContent-Disposition: form-da'],
    ['before the closing boundary', multipart(filePart('a.onnx')).replace('--XX--\r\n', '')],
    ['before the first part', 'XX'],
  ])('that ends %s is incomplete', async (_, body) => {
    expect(await post(body, multipartType)).toMatchObject({ status: 400, code: 'UPLOAD_INCOMPLETE' });
    await expectNothingLeft();
  });

  it('without a boundary, or of another multipart type, is refused', async () => {
    const noBoundary = await post('x', { 'content-type': 'multipart/form-data' });
    expect(noBoundary).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
    const mixed = await post('x', { 'content-type': 'multipart/mixed; boundary=XX' });
    expect(mixed).toMatchObject({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
  });
});

describe('an upload as one body', () => {
  const bytes = randomBytes(100_000);
  const right = sha256Of(bytes);
  const binary = { 'content-type': 'application/octet-stream' };

  it('is named by the query, whatever its type', async () => {
    expect(await post(bytes, binary)).toMatchObject({ status: 201 });
    const second = await post(
      bytes,
      { 'content-type': 'text/plain' },
      '?path=net/v2.onnx&description=second',
    );
    expect(second).toMatchObject({ status: 201 });
    const versions = await readVersions();
    expect(versions).toMatchObject([
      { version: 2, entry_file: 'net/v2.onnx', description: 'second' },
      { version: 1, entry_file: 'model.onnx', files: [{ sha256: right, size_bytes: 100_000 }] },
    ]);
  });

  it.each([
    ['Content-Digest', { 'content-digest': `sha-512=:AAAA:, sha-256=:${base64(right)}:` }, 201],
    ['Digest', { digest: `SHA-256=${base64(right)},unixsum=3` }, 201],
    ['x-sluice-sha256', { 'x-sluice-sha256': right.toUpperCase() }, 201],
    ['another Content-Digest', { 'content-digest': `sha-256=:${base64(sha256Of(Buffer.from('x')))}:` }, 400],
    ['another Digest', { digest: `sha-256=${base64(sha256Of(Buffer.from('x')))}` }, 400],
    ['another x-sluice-sha256', { 'x-sluice-sha256': '0'.repeat(64) }, 400],
  ])('is checked against %s', async (_, headers, status) => {
    const sent = await post(bytes, { ...binary, ...headers });
    expect(sent).toMatchObject(status === 201 ? { status } : { status, code: 'DIGEST_MISMATCH' });
    expect(await filesIn('tmp')).toEqual([]);
    expect(await readVersions()).toHaveLength(status === 201 ? 1 : 0);
  });

  it('with a digest that is none, an empty body, a wrong path or an encoding is refused', async () => {
    const broken = await post(bytes, { ...binary, 'content-digest': 'sha-256=:AAAA:' });
    expect(broken).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
    expect(await post('', binary)).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
    const climbing = await post(bytes, binary, '?path=../../x.onnx');
    expect(climbing).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
    const encoded = await post(bytes, { ...binary, 'content-encoding': 'gzip' });
    expect(encoded).toMatchObject({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
    await expectNothingLeft();
  });

  it('goes only into a model that is there, by who may write', async () => {
    model = 'nothing';
    expect(await post(bytes, binary)).toMatchObject({ status: 404, code: 'MODEL_NOT_FOUND' });
    model = await newModel(registry);
    const noRun = await post(bytes, binary, '?run_id=019aafff-0000-7000-8000-000000000000');
    expect(noRun).toMatchObject({ status: 404, code: 'RUN_NOT_FOUND' });
    const reader = await registry.caller('models:read');
    const forbidden = await post(bytes, { ...binary, authorization: `Bearer ${reader.token}` });
    expect(forbidden).toMatchObject({ status: 403, code: 'FORBIDDEN' });
    await expectNothingLeft();
  });
});

describe('the limit', () => {
  it('refuses an announced length at once, and an unannounced one when it is passed', async () => {
    const announced = `POST ${path()} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${registry.adminToken}\r\ncontent-type: application/octet-stream\r\ncontent-length: ${maxUploadBytes + 1}\r\n\r\n`;
    const socket = connect(Number(new URL(registry.url).port), '127.0.0.1');
    socket.write(announced);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 413 /);
    socket.destroy();
    const streamed = Readable.toWeb(zeros(maxUploadBytes + 1)) as ReadableStream;
    const sent = await post(streamed, { 'content-type': 'application/octet-stream' });
    expect(sent).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' });
    await expectNothingLeft();
  });
});

describe('many uploads', () => {
  it('at once get the numbers 1 to 20', async () => {
    const files = (index: number) => [{ path: 'model.onnx', source: Buffer.from(`model ${index % 3}`) }];
    const versions = await Promise.all(Array.from({ length: 20 }, (_, index) => upload(files(index))));
    const numbers = versions.map((version) => version.version).toSorted((one, other) => one - other);
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });

  it('leave no gap where one was refused', async () => {
    await upload([{ path: 'model.onnx', source: randomBytes(10) }]);
    await postParts(filePart('a.onnx', ''));
    await post(randomBytes(10), { 'x-sluice-sha256': '0'.repeat(64) });
    expect(await upload([{ path: 'model.onnx', source: randomBytes(10) }])).toMatchObject({ version: 2 });
  });

  it('of the same bytes share their storage', async () => {
    const source = randomBytes(50_000);
    await Promise.all(Array.from({ length: 4 }, () => upload([{ path: 'model.onnx', source }])));
    const again = [
      { path: 'a.onnx', source },
      { path: 'b.bin', source },
    ];
    await upload(again);
    expect((await filesIn('sha256')).filter((name) => name === sha256Of(source))).toHaveLength(1);
    expect(await readVersions()).toHaveLength(5);
  });
});

describe('a broken connection', () => {
  const send = (type: string, bodyStart: string, contentLength: number) => {
    const socket = connect(Number(new URL(registry.url).port), '127.0.0.1');
    socket.write(
      `POST ${path()} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${registry.adminToken}\r\n` +
        `content-type: ${type}\r\ncontent-length: ${contentLength}\r\n\r\n${bodyStart}`,
    );
    return socket;
  };
  const filePartStart = multipart(filePart('a.onnx', 'x'.repeat(200_000))).slice(0, 150_000);

  it.each([
    ['one body', 'application/octet-stream', 'x'.repeat(150_000)],
    ['multipart', 'multipart/form-data; boundary=XX', filePartStart],
  ])('in the middle of %s leaves no version and no file', async (_, type, start) => {
    const socket = send(type, start, 10 * mebibyte);
    await expect.poll(() => filesIn('tmp'), { interval: 5 }).toHaveLength(1);
    socket.destroy();
    await expect.poll(() => filesIn('tmp'), { interval: 5 }).toEqual([]);
    await expectNothingLeft();
  });
});
