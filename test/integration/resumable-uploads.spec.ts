/** Resumable uploads as the protocol's own client and raw requests see them, also over two registries that share a store. */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Upload as TusUpload } from 'tus-js-client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FilePieceStore } from '#artifacts/file-piece-store';
import { Problem } from '#contracts/errors';
import { routes } from '#contracts/routes';
import { Transactions } from '#database/transactions';
import { UploadExpiry } from '../../apps/registry/src/uploads/upload-expiry.js';
import { openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { auditedActions, newModel } from '../support/versions.js';

const mebibyte = 2 ** 20;
const maxUploadBytes = 100 * mebibyte;
let first: TestRegistry;
let second: TestRegistry;
let model: string;
beforeAll(async () => {
  first = await startRegistry({ SLUICE_MAX_UPLOAD_BYTES: String(maxUploadBytes) });
  second = await openRegistry(first.databaseUrl, {
    SLUICE_ARTIFACTS_DIR: first.config.SLUICE_ARTIFACTS_DIR,
    SLUICE_MAX_UPLOAD_BYTES: String(maxUploadBytes),
  });
});
afterAll(async () => {
  await second.close();
  await first.close();
});
beforeEach(async () => {
  model = await newModel(first);
});

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const root = routes.uploads.list.path;
const encoded = (metadata: Record<string, string>): string =>
  Object.entries(metadata)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
    .join(',');

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly code: string | undefined;
  readonly detail: string | undefined;
}

async function tus(
  registry: TestRegistry,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: Uint8Array,
): Promise<Answer> {
  const response = await fetch(new URL(path, registry.url), {
    method,
    headers: { authorization: `Bearer ${first.adminToken}`, 'tus-resumable': '1.0.0', ...headers },
    ...(body ? { body: new Uint8Array(body) } : {}),
  });
  const sent = await response.text();
  const problem = sent.startsWith('{') ? Problem.parse(JSON.parse(sent)) : undefined;
  return { status: response.status, headers: response.headers, code: problem?.code, detail: problem?.detail };
}

/** Begins an upload and gives its address. */
async function begin(sizeBytes: number, metadata: Record<string, string> = {}): Promise<string> {
  const fields = Object.keys(metadata).length > 0 ? { 'upload-metadata': encoded(metadata) } : {};
  const answer = await tus(first, 'POST', root, { 'upload-length': String(sizeBytes), ...fields });
  expect(answer).toMatchObject({ status: 201 });
  return answer.headers.get('location') ?? '';
}
const patch = (registry: TestRegistry, path: string, offset: number, body: Uint8Array, headers = {}) =>
  tus(
    registry,
    'PATCH',
    path,
    { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream', ...headers },
    body,
  );
const offsetOf = async (registry: TestRegistry, path: string): Promise<number> =>
  Number((await tus(registry, 'HEAD', path)).headers.get('upload-offset'));
const idOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const readUpload = (path: string) => first.admin.uploads.read({ params: { upload_id: idOf(path) } });

async function uploadAll(bytes: Uint8Array, metadata: Record<string, string> = {}): Promise<string> {
  const path = await begin(bytes.length, metadata);
  expect(await patch(first, path, 0, bytes)).toMatchObject({ status: 204 });
  return idOf(path);
}

/** Sends the head and a part of the body of a PATCH, and then nothing more. */
async function stall(registry: TestRegistry, path: string, body: Uint8Array, announced: number) {
  const sent = httpRequest(new URL(path, registry.url), {
    method: 'PATCH',
    headers: {
      authorization: `Bearer ${first.adminToken}`,
      'tus-resumable': '1.0.0',
      'upload-offset': '0',
      'content-type': 'application/offset+octet-stream',
      'content-length': announced,
    },
  });
  sent.on('error', () => undefined);
  await new Promise<void>((resolve) => sent.write(body, () => resolve()));
  return sent;
}

const piecesOn = async (id: string): Promise<string[]> =>
  readdir(join(first.config.SLUICE_ARTIFACTS_DIR, 'uploads', id)).catch(() => []);
const bytesOnDisk = async (id: string): Promise<number> => {
  const folder = join(first.config.SLUICE_ARTIFACTS_DIR, 'uploads', id);
  const sizes = (await piecesOn(id)).map(async (piece) => (await stat(join(folder, piece))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
};

describe('the protocol', () => {
  it('says what it can do', async () => {
    const { status, headers } = await tus(first, 'OPTIONS', root);
    expect(status).toBe(204);
    expect(headers.get('tus-version')).toBe('1.0.0');
    expect(headers.get('tus-extension')?.split(',')).toEqual(
      expect.arrayContaining(['creation', 'creation-with-upload', 'expiration', 'termination']),
    );
    expect(headers.get('tus-max-size')).toBe(String(maxUploadBytes));
  });

  it('is spoken with its own client, in pieces of any size', async () => {
    const bytes = randomBytes(5 * mebibyte + 7);
    const url = await new Promise<string>((resolve, reject) => {
      const upload = new TusUpload(bytes, {
        endpoint: first.url + root,
        headers: { authorization: `Bearer ${first.adminToken}` },
        metadata: { filename: 'model.onnx', filetype: 'application/octet-stream', model },
        chunkSize: 2 * mebibyte,
        onError: reject,
        onSuccess: () => resolve(upload.url ?? ''),
      });
      upload.start();
    });
    const upload = await readUpload(new URL(url).pathname);
    expect(upload).toMatchObject({
      filename: 'model.onnx',
      size_bytes: bytes.length,
      received_bytes: bytes.length,
      sha256: sha256Of(bytes),
      version_id: null,
      created_by: 'client:admin',
    });
    expect(await piecesOn(upload.id)).toEqual([]);
    expect(await auditedActions(first, `uploads/${upload.id}`)).toEqual(['upload.create']);
  });

  it('takes bytes with the creation, and a length later than never', async () => {
    const body = randomBytes(1_000);
    const answer = await tus(
      first,
      'POST',
      root,
      { 'upload-length': '1000', 'content-type': 'application/offset+octet-stream' },
      body,
    );
    expect(answer).toMatchObject({ status: 201 });
    expect(answer.headers.get('upload-offset')).toBe('1000');
    expect(await readUpload(answer.headers.get('location') ?? '')).toMatchObject({ sha256: sha256Of(body) });
    const deferred = await tus(first, 'POST', root, { 'upload-defer-length': '1' });
    expect(deferred).toMatchObject({ status: 501, code: 'NOT_SUPPORTED' });
  });

  it('goes on at the other registry where the first one stopped', async () => {
    const bytes = randomBytes(300_000);
    const path = await begin(bytes.length);
    expect(await patch(first, path, 0, bytes.subarray(0, 100_000))).toMatchObject({ status: 204 });
    expect(await offsetOf(second, path)).toBe(100_000);
    expect(await patch(second, path, 100_000, bytes.subarray(100_000))).toMatchObject({ status: 204 });
    expect(await readUpload(path)).toMatchObject({ sha256: sha256Of(bytes) });
  });

  it('keeps what came before the connection broke', async () => {
    const bytes = randomBytes(400_000);
    const path = await begin(bytes.length);
    const sent = await stall(first, path, bytes.subarray(0, 250_000), bytes.length);
    // What is still on its way to the disk when the connection breaks may be lost: the sender asks where to go on.
    await expect.poll(() => bytesOnDisk(idOf(path)), { interval: 5 }).toBe(250_000);
    sent.destroy();
    await expect.poll(() => offsetOf(first, path), { interval: 20 }).toBe(250_000);
    expect(await patch(first, path, 250_000, bytes.subarray(250_000))).toMatchObject({ status: 204 });
    expect(await readUpload(path)).toMatchObject({ sha256: sha256Of(bytes) });
  });

  it('lets the sender take over from a connection that hangs, at the same registry', async () => {
    const bytes = randomBytes(400_000);
    const path = await begin(bytes.length);
    const hanging = await stall(first, path, bytes.subarray(0, 150_000), bytes.length);
    await expect.poll(() => piecesOn(idOf(path)), { interval: 5 }).toHaveLength(1);
    const offset = await offsetOf(first, path);
    expect(offset).toBe(150_000);
    expect(await patch(first, path, offset, bytes.subarray(offset))).toMatchObject({ status: 204 });
    expect(await readUpload(path)).toMatchObject({ sha256: sha256Of(bytes) });
    hanging.destroy();
  });

  it('lets one of two writers at one offset win, also at different registries', async () => {
    const bytes = randomBytes(200_000);
    const path = await begin(bytes.length);
    const answers = await Promise.all(
      [first, second, first, second].map((registry) => patch(registry, path, 0, bytes)),
    );
    expect(answers.filter(({ status }) => status === 204)).not.toHaveLength(0);
    for (const { status, code } of answers) if (status !== 204) expect(code).toBe('UPLOAD_CONFLICT');
    expect(await readUpload(path)).toMatchObject({ received_bytes: 200_000, sha256: sha256Of(bytes) });
  });

  it('ends with DIGEST_MISMATCH, and the upload is gone, when the announced digest is another', async () => {
    const bytes = randomBytes(1_000);
    const path = await begin(1_000, { sha256: sha256Of(randomBytes(4)) });
    expect(await patch(first, path, 0, bytes)).toMatchObject({ status: 400, code: 'DIGEST_MISMATCH' });
    expect(await tus(first, 'HEAD', path)).toMatchObject({ status: 404 });
    expect(await piecesOn(idOf(path))).toEqual([]);
    await uploadAll(bytes, { sha256: sha256Of(bytes) });
  });

  it('is terminated by DELETE', async () => {
    const path = await begin(1_000);
    await patch(first, path, 0, randomBytes(10));
    expect(await tus(first, 'DELETE', path)).toMatchObject({ status: 204 });
    expect(await tus(first, 'HEAD', path)).toMatchObject({ status: 404 });
    expect(await piecesOn(idOf(path))).toEqual([]);
    expect(await auditedActions(first, path.slice('/api/v1/'.length))).toEqual([
      'upload.create',
      'upload.delete',
    ]);
    const query = { subject_prefix: path.slice('/api/v1/'.length), action: 'upload.delete' };
    const { items } = await first.admin.audit.list({ query });
    expect(items).toMatchObject([{ before: { size_bytes: 1_000, received_bytes: 10 }, after: null }]);
  });
});

describe('what is refused', () => {
  const length = { 'upload-length': '10' };
  it.each<[string, Record<string, string>, number, string]>([
    ['no length', {}, 400, 'INVALID_REQUEST'],
    ['an empty file', { 'upload-length': '0' }, 400, 'INVALID_REQUEST'],
    ['a negative length', { 'upload-length': '-1' }, 400, 'INVALID_REQUEST'],
    ['more than the limit', { 'upload-length': String(maxUploadBytes + 1) }, 413, 'PAYLOAD_TOO_LARGE'],
    ['another version of the protocol', { ...length, 'tus-resumable': '0.2.2' }, 400, 'INVALID_REQUEST'],
    ['broken metadata', { ...length, 'upload-metadata': 'a b c' }, 400, 'INVALID_REQUEST'],
    ['unknown metadata', { ...length, 'upload-metadata': encoded({ x: 'y' }) }, 400, 'INVALID_REQUEST'],
    [
      'a digest that is none',
      { ...length, 'upload-metadata': encoded({ sha256: 'x' }) },
      400,
      'INVALID_REQUEST',
    ],
    [
      'a model that is not there',
      { ...length, 'upload-metadata': encoded({ model: 'no' }) },
      404,
      'MODEL_NOT_FOUND',
    ],
    ['a concatenation', { ...length, 'upload-concat': 'partial' }, 501, 'NOT_SUPPORTED'],
  ])('at the creation: %s', async (_, headers, status, code) => {
    expect(await tus(first, 'POST', root, headers)).toMatchObject({ status, code });
  });

  it('while sending: a wrong offset, too many bytes, another type, an upload that is none', async () => {
    const path = await begin(1_000);
    const bytes = randomBytes(1_001);
    expect(await patch(first, path, 5, bytes)).toMatchObject({ status: 409, code: 'UPLOAD_CONFLICT' });
    expect(await patch(first, path, 0, bytes)).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' });
    const typed = await patch(first, path, 0, bytes.subarray(1), { 'content-type': 'application/json' });
    expect(typed).toMatchObject({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
    for (const none of ['nothing', '019aafff-0000-7000-8000-000000000000', '..%2f..%2fetc'])
      expect(await patch(first, `${root}/${none}`, 0, bytes)).toMatchObject({
        status: 404,
        code: 'UPLOAD_NOT_FOUND',
      });
    expect(await offsetOf(first, path)).toBe(0);
  });

  it("to others: a token without the scope, and somebody else's upload", async () => {
    const reader = await first.caller('models:read');
    const asReader = { authorization: `Bearer ${reader.token}` };
    expect(await tus(first, 'POST', root, { ...length, ...asReader })).toMatchObject({
      status: 403,
      code: 'FORBIDDEN',
    });
    expect(await tus(first, 'POST', root, { ...length, authorization: '' })).toMatchObject({ status: 401 });
    const other = await first.caller('models:write');
    const asOther = { authorization: `Bearer ${other.token}` };
    const path = await begin(10);
    for (const method of ['HEAD', 'DELETE'])
      expect(await tus(first, method, path, asOther)).toMatchObject({ status: 404 });
    expect(await patch(first, path, 0, randomBytes(10), asOther)).toMatchObject({ code: 'UPLOAD_NOT_FOUND' });
    expect((await other.client.uploads.list()).items).toEqual([]);
    await expect(
      other.client.uploads.commit({
        params: { model },
        body: { uploads: [{ path: 'model.onnx', upload_id: idOf(path) }] },
      }),
    ).rejects.toMatchObject({ code: 'UPLOAD_NOT_FOUND' });
  });
});

describe('a version of uploads', () => {
  const commit = (uploads: { path: string; upload_id: string }[], more = {}) =>
    first.admin.uploads.commit({ params: { model }, body: { uploads, ...more } });

  it('is made of several files in one go, and the same call again gives the same version', async () => {
    const [onnx, weights] = [randomBytes(2_000), randomBytes(50_000)];
    const uploads = [
      { path: 'model.onnx', upload_id: await uploadAll(onnx) },
      { path: 'data/weights.bin', upload_id: await uploadAll(weights) },
    ];
    const more = { description: 'big', files: { 'model.onnx': sha256Of(onnx) } };
    const versions = await Promise.all([commit(uploads, more), commit(uploads, more)]);
    const again = await commit(uploads, more);
    for (const version of [...versions, again])
      expect(version).toMatchObject({
        version: 1,
        status: 'PENDING',
        description: 'big',
        entry_file: 'model.onnx',
        files: [
          { path: 'data/weights.bin', sha256: sha256Of(weights), size_bytes: 50_000 },
          { path: 'model.onnx', sha256: sha256Of(onnx), size_bytes: 2_000 },
        ],
      });
    const read = await first.admin.uploads.read({ params: { upload_id: uploads[0]?.upload_id ?? '' } });
    expect(read.version_id).toBe(again.id);
    expect(await auditedActions(first, `models/${model}/versions/1`)).toEqual(['version.create']);
    await expect(commit(uploads.slice(0, 1))).rejects.toMatchObject({ code: 'UPLOAD_CONFLICT' });
  });

  it('of the same bytes, sent by many at once, shares their storage', async () => {
    const bytes = randomBytes(100_000);
    const ids = await Promise.all(Array.from({ length: 8 }, () => uploadAll(bytes)));
    await Promise.all(ids.map((id) => commit([{ path: 'model.onnx', upload_id: id }])));
    const { items } = await first.admin.versions.list({ params: { model } });
    expect(items.map((version) => version.files[0]?.sha256)).toEqual(
      Array.from({ length: 8 }, () => sha256Of(bytes)),
    );
  });

  it('is refused as a whole: a missing part, a path twice, another digest, an unfinished upload', async () => {
    const id = await uploadAll(randomBytes(100));
    const unfinished = idOf(await begin(100));
    const other = '0'.repeat(64);
    const file = { path: 'model.onnx', upload_id: id };
    await expect(commit([file, { path: 'b', upload_id: unfinished }])).rejects.toMatchObject({
      code: 'UPLOAD_NOT_FINISHED',
    });
    await expect(commit([file, file])).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await expect(commit([file], { files: { 'model.onnx': other } })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    await expect(commit([file], { entry_file: 'b.onnx' })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    expect((await first.admin.versions.list({ params: { model } })).items).toEqual([]);
    await expect(commit([file])).resolves.toMatchObject({ version: 1 });
  });
});

describe('an upload that nobody goes on with', () => {
  it('expires with its pieces, and pieces without an upload go as well; what a version is made of stays', async () => {
    const pieces = new FilePieceStore(first.config.SLUICE_ARTIFACTS_DIR);
    const expiry = new UploadExpiry(first.dataSource, new Transactions(first.dataSource), pieces);
    const path = await begin(1_000);
    await patch(first, path, 0, randomBytes(500));
    const orphan = '019aafff-0000-7000-8000-000000000000';
    await pieces.write(orphan, 'left', Readable.from([randomBytes(10)]));
    const upload_id = await uploadAll(randomBytes(100));
    await first.admin.uploads.commit({
      params: { model },
      body: { uploads: [{ path: 'model.onnx', upload_id }] },
    });

    await expiry.run();
    expect(await piecesOn(orphan)).toEqual([]);
    expect(await piecesOn(idOf(path))).toHaveLength(1);
    expect(await offsetOf(first, path)).toBe(500);

    await expiry.run(new Date(Date.now() + 2 * 86_400_000));
    expect(await piecesOn(idOf(path))).toEqual([]);
    expect(await patch(first, path, 500, randomBytes(500))).toMatchObject({ code: 'UPLOAD_NOT_FOUND' });
    expect((await first.admin.uploads.list()).items).toEqual([]);
    const { items } = await first.admin.versions.list({ params: { model } });
    expect(items).toHaveLength(1);
  });
});
