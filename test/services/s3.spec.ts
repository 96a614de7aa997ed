/**
 * The store in a bucket, against a real server of S3's protocol: the one at `SLUICE_TEST_S3_ENDPOINT` (with `SLUICE_TEST_S3_KEY` and
 * `SLUICE_TEST_S3_SECRET`; versitygw, MinIO, AWS), or a program on the path that `SLUICE_TEST_S3_PROGRAM` names: `moto_server`
 * (`pip install 'moto[server]'`), or `nanio` (`pip install nanio`), which checks signatures and keeps objects as files.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { AwsClient } from 'aws4fetch';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { artifactStoreCases } from '../../libs/artifacts/src/artifact-store.case.js';
import { S3ArtifactStore } from '#artifacts/s3-artifact-store';
import { S3Client } from '#artifacts/s3-client';
import { S3PieceStore } from '#artifacts/s3-piece-store';
import { uploadVersion } from '#client/upload';
import { Transactions } from '#database/transactions';
import { ARTIFACT_STORE } from '../../apps/registry/src/artifacts/artifact-store.token.js';
import { GarbageCollector } from '../../apps/registry/src/artifacts/garbage-collector.js';
import { migrate } from '../../apps/registry/src/schema.js';
import { TusSender, generated } from '../support/big-upload.js';
import { joinNode } from '../support/nodes.js';
import { eventually } from '../support/platform.js';
import { createDatabase, startServer } from '../support/postgres.js';
import { openRegistry } from '../support/registry.js';
import { newModel } from '../support/versions.js';

const mebibyte = 2 ** 20;
const {
  SLUICE_TEST_S3_ENDPOINT: given,
  SLUICE_TEST_S3_KEY: accessKeyId = 'key',
  SLUICE_TEST_S3_SECRET: secretAccessKey = 'secret-of-the-tests',
  SLUICE_TEST_S3_PROGRAM: program = 'moto_server',
} = process.env;
const account = { accessKeyId, secretAccessKey, region: 'us-east-1' };
const names = randomBytes(4).toString('hex');
let server: ChildProcess | undefined;
let endpoint = given ?? '';
let folder = '';
let buckets = 0;

beforeAll(async () => {
  if (given !== undefined) return;
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  folder = await mkdtemp(join(tmpdir(), 'sluice-s3-'));
  server = spawn(program, argumentsOf(program, port, folder), {
    stdio: 'ignore',
    env: { ...process.env, NANIO_ACCESS_KEY: accessKeyId, NANIO_SECRET_KEY: secretAccessKey },
  });
  await once(server, 'spawn');
  endpoint = `http://127.0.0.1:${port}`;
  await eventually(async () => (await fetch(endpoint)).status < 500 || undefined, 'the server answers');
});
afterAll(async () => {
  if (server === undefined) return;
  server.kill();
  await once(server, 'exit');
  await rm(folder, { recursive: true, force: true });
});

function argumentsOf(name: string, port: number, dataFolder: string): string[] {
  if (name !== 'nanio') return ['-H', '127.0.0.1', '-p', String(port)];
  return ['serve', '--host', '127.0.0.1', '--port', String(port), '--data-dir', dataFolder];
}

const nameOf = (bucket: number): string => `bucket-${names}-${bucket}`;
async function newBucket(): Promise<S3Client> {
  buckets += 1;
  const bucket = nameOf(buckets);
  const made = await new AwsClient({ ...account, service: 's3' }).fetch(`${endpoint}/${bucket}`, {
    method: 'PUT',
  });
  expect(made.ok).toBe(true);
  return new S3Client({ ...account, endpoint, bucket });
}

async function keys(s3: S3Client, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of s3.list(prefix)) found.push(key);
  return found;
}
const unfinished = async (s3: S3Client): Promise<number> =>
  (await keys(s3, 'tmp/')).length + (await s3.staleMultiparts('', Infinity)).length;
const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('S3ArtifactStore', () => {
  artifactStoreCases(async () => {
    const s3 = await newBucket();
    return {
      store: new S3ArtifactStore(s3),
      inventory: async () => ({
        stored: (await keys(s3, 'sha256/')).length,
        unfinished: await unfinished(s3),
      }),
    };
  });

  it.each([
    ['not announced', false],
    ['announced', true],
  ])('stores many parts whose digest is %s, and claims before they can be read', async (_, announces) => {
    const s3 = await newBucket();
    const bytes = randomBytes(20 * mebibyte + 5);
    const digest = sha256Of(bytes);
    const seen: boolean[] = [];
    const store: S3ArtifactStore = new S3ArtifactStore(s3, async ({ sha256 }) => {
      seen.push(await store.has(sha256));
    });
    const options = { maxBytes: bytes.length, sha256: announces ? digest : undefined };
    const stored = await store.write(Readable.from([bytes]), options);
    expect(stored).toEqual({ sha256: digest, sizeBytes: bytes.length });
    expect(seen).toEqual([false]);
    expect(sha256Of(await buffer(await store.open(digest)))).toBe(digest);
    const range = await buffer(await store.open(digest, { start: 9 * mebibyte, end: 9 * mebibyte + 99 }));
    expect(range.equals(bytes.subarray(9 * mebibyte, 9 * mebibyte + 100))).toBe(true);
    expect(await unfinished(s3)).toBe(0);
  });

  it.each([
    ['another digest', { maxBytes: 100 * mebibyte, sha256: '0'.repeat(64) }, 'DIGEST_MISMATCH'],
    ['too many bytes', { maxBytes: 17 * mebibyte }, 'PAYLOAD_TOO_LARGE'],
  ])('leaves nothing of many parts with %s', async (_, options, code) => {
    const s3 = await newBucket();
    const write = new S3ArtifactStore(s3).write(Readable.from([randomBytes(20 * mebibyte)]), options);
    await expect(write).rejects.toMatchObject({ code });
    expect([await keys(s3, 'sha256/'), await unfinished(s3)]).toEqual([[], 0]);
  });

  it('removes, and sweeps what dead processes left a week ago', async () => {
    const s3 = await newBucket();
    const store = new S3ArtifactStore(s3);
    const { sha256 } = await store.write(Readable.from([Buffer.from('bytes')]), { maxBytes: 10 });
    await store.remove(sha256);
    await store.remove(sha256);
    expect(await store.has(sha256)).toBe(false);
    await s3.put('tmp/dead', Buffer.from('left behind'));
    await s3.beginMultipart('sha256/dead');
    await store.sweep(Date.now());
    // moto dates every upload back to 2010, so only the object shows that a fresh one stays.
    expect(await keys(s3, 'tmp/')).toEqual(['tmp/dead']);
    await store.sweep(Date.now() + 8 * 86_400_000);
    expect(await unfinished(s3)).toBe(0);
  });

  it('says what the server said when it refuses', async () => {
    const store = new S3ArtifactStore(new S3Client({ ...account, endpoint, bucket: 'nowhere' }));
    await expect(store.write(Readable.from([Buffer.from('x')]), { maxBytes: 10 })).rejects.toThrow(
      'NoSuchBucket',
    );
  });
});

describe('S3PieceStore', () => {
  it('keeps pieces by upload until they are removed', async () => {
    const pieces = new S3PieceStore(await newBucket());
    const bytes = randomBytes(9 * mebibyte);
    expect(await pieces.write('one', '0', Readable.from([bytes]))).toBe(bytes.length);
    await pieces.write('one', '9', Readable.from([Buffer.from('b')]));
    await pieces.write('two', '0', Readable.from([Buffer.from('c')]));
    expect(sha256Of(await buffer(await pieces.open('one', '0')))).toBe(sha256Of(bytes));
    await pieces.remove('one', '9');
    await expect(pieces.open('one', '9')).rejects.toThrow('not there');
    expect((await pieces.list()).toSorted()).toEqual(['one', 'two']);
    await pieces.removeAll('one');
    expect(await pieces.list()).toEqual(['two']);
  });
});

describe('a registry whose store is a bucket', () => {
  it('takes uploads in one go and in pieces, gives them to nodes and people, and collects what nothing refers to', async () => {
    const s3 = await newBucket();
    const postgres = await startServer();
    onTestFinished(() => postgres.stop());
    const { url: databaseUrl } = await createDatabase(postgres.url);
    await migrate(databaseUrl);
    const registry = await openRegistry(databaseUrl, {
      SLUICE_S3_BUCKET: nameOf(buckets),
      SLUICE_S3_ENDPOINT: endpoint,
      SLUICE_S3_ACCESS_KEY_ID: account.accessKeyId,
      SLUICE_S3_SECRET_ACCESS_KEY: account.secretAccessKey,
    });
    onTestFinished(() => registry.close());
    const token = () => registry.adminToken;
    const model = await newModel(registry);
    const sizeBytes = 20 * mebibyte;
    const [small, large] = [randomBytes(1_000), Buffer.concat([...generated(sizeBytes)])];
    await uploadVersion({ baseUrl: registry.url, token }, model, [{ path: 'model.onnx', source: small }]);

    const sender = new TusSender(registry.url, () => Promise.resolve(token()));
    const path = await sender.begin(sizeBytes, sha256Of(large));
    const broken = sender.send(path, sizeBytes, 0, (sentBytes, sent) => {
      if (sentBytes > sizeBytes / 2) sent.destroy();
    });
    await expect(broken).rejects.toThrow();
    const offset = await sender.offsetOf(path);
    expect(offset).toBeLessThan(sizeBytes);
    expect(await sender.send(path, sizeBytes, offset)).toBe(204);
    await registry.admin.uploads.commit({
      params: { model },
      body: { uploads: [{ path: 'model.onnx', upload_id: path.split('/').at(-1) ?? '' }] },
    });
    expect(await keys(s3, 'uploads/')).toEqual([]);

    const node = await joinNode(registry, 'a');
    const get = (target: string, bearer: string, range?: string) =>
      registry.send('GET', target, {
        headers: { authorization: `Bearer ${bearer}`, ...(range === undefined ? {} : { range }) },
      });
    const bytesOf = async (answer: Response): Promise<string> =>
      sha256Of(new Uint8Array(await answer.arrayBuffer()));
    const artifact = `/api/v1/artifacts/${sha256Of(large)}`;
    expect(await bytesOf(await get(artifact, node.lease.credential))).toBe(sha256Of(large));
    const rest = await get(artifact, node.lease.credential, 'bytes=15000000-');
    expect(await bytesOf(rest)).toBe(sha256Of(large.subarray(15_000_000)));
    const download = await get(`/api/v1/models/${model}/versions/1/download`, token());
    expect(await bytesOf(download)).toBe(sha256Of(small));

    for (const version of [1, 2]) {
      const params = { model, version: String(version) };
      await registry.admin.versions.archive({ params });
      await registry.admin.versions.remove({ params, query: { confirm: `${model}/${version}` } });
    }
    const store = registry.app.get<S3ArtifactStore>(ARTIFACT_STORE, { strict: false });
    const collector = new GarbageCollector(new Transactions(registry.dataSource), store, registry.config);
    await registry.dataSource.query('DELETE FROM upload_pieces');
    await registry.dataSource.query('DELETE FROM uploads');
    expect(await collector.run(0)).toMatchObject({ count: 2 });
    expect(await keys(s3, '')).toEqual([]);
  });
});
