/** The store in a bucket, against a real server of S3's protocol: moto's. Needs `moto_server` on the path (`pip install 'moto[server]'`). */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { AwsClient } from 'aws4fetch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifactStoreCases } from '../../libs/artifacts/src/artifact-store.case.js';
import { S3ArtifactStore } from '#artifacts/s3-artifact-store';
import { S3Client } from '#artifacts/s3-client';
import { S3PieceStore } from '#artifacts/s3-piece-store';
import { eventually } from '../support/platform.js';

const mebibyte = 2 ** 20;
const account = { accessKeyId: 'key', secretAccessKey: 'secret', region: 'us-east-1' };
let server: ChildProcess;
let endpoint = '';
let buckets = 0;

beforeAll(async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  server = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  await once(server, 'spawn');
  endpoint = `http://127.0.0.1:${port}`;
  await eventually(async () => (await fetch(endpoint)).ok || undefined, 'the server answers');
});
afterAll(async () => {
  server.kill();
  await once(server, 'exit');
});

async function newBucket(): Promise<S3Client> {
  buckets += 1;
  const bucket = `bucket-${buckets}`;
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
    // This server dates every upload back to 2010, so only the object shows that a fresh one stays.
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
