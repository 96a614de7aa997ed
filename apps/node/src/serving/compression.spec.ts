import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { answerEncoding, compressBody, contentEncoding, inflateBody } from './compression.js';
import type { Encoding, Inflated } from './compression.js';

const inflated = (encoding: Encoding, chunks: readonly Buffer[], maxBytes = 100_000): Promise<Inflated> =>
  new Promise((resolve) => inflateBody(encoding, chunks, maxBytes, resolve));
const text = Buffer.from('a tensor '.repeat(1_000));

describe('request bodies', () => {
  it.each([
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    [' deflate ', 'deflate'],
    ['br', undefined],
    ['gzip, deflate', undefined],
  ])('Content-Encoding %s is %s', (header, encoding) => {
    expect(contentEncoding(header)).toBe(encoding);
  });

  it('inflates what came in any number of chunks', async () => {
    const zipped = gzipSync(text);
    expect(await inflated('gzip', [zipped])).toEqual({ kind: 'body', body: text });
    const halves = [zipped.subarray(0, 20), zipped.subarray(20)];
    expect(await inflated('gzip', halves)).toEqual({ kind: 'body', body: text });
    expect(await inflated('deflate', [deflateSync(text)])).toEqual({ kind: 'body', body: text });
  });

  it('stops at the limit', async () => {
    expect(await inflated('gzip', [gzipSync(text)], text.length)).toMatchObject({ kind: 'body' });
    expect(await inflated('gzip', [gzipSync(text)], text.length - 1)).toEqual({ kind: 'too-large' });
  });

  it.each([
    ['nothing', []],
    ['other bytes', [Buffer.from('{"inputs":[]}')]],
    ['half of it', [gzipSync(text).subarray(0, 30)]],
  ])('tells that %s is broken', async (_, chunks) => {
    expect(await inflated('gzip', chunks)).toEqual({ kind: 'broken' });
  });
});

describe('answers', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['gzip, deflate', 'gzip'],
    ['deflate', 'deflate'],
    ['gzip;q=0.5, deflate;q=0.8', 'deflate'],
    ['gzip;q=0', undefined],
    ['gzip;q=0, *', 'deflate'],
    ['*', 'gzip'],
    ['br', undefined],
    ['identity;q=1, gzip;q=0.5', undefined],
    ['GZip ; Q=1.0', 'gzip'],
    ['gzip;q=x', undefined],
  ])('Accept-Encoding %s asks for %s', (header, encoding) => {
    expect(answerEncoding(header)).toBe(encoding);
  });

  it('are left as they are when compression is no gain', async () => {
    const compressed = (body: Buffer): Promise<Buffer | undefined> =>
      new Promise((resolve) => compressBody('gzip', body, resolve));
    expect(await compressed(Buffer.from([1, 2, 3]))).toBeUndefined();
    expect(await inflated('gzip', [(await compressed(text)) ?? text])).toEqual({ kind: 'body', body: text });
  });
});
