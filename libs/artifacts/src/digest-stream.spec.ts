import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { digestStream } from './digest-stream.js';

// FIPS 180-2, appendix B.1.
const sha256OfAbc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

describe('digestStream', () => {
  it('passes the bytes on and knows their digest at the end', async () => {
    const digest = digestStream({ sha256: sha256OfAbc });
    expect(() => digest.sha256).toThrow('ended');
    const [passed] = await Promise.all([
      buffer(digest),
      pipeline(Readable.from([Buffer.from('ab'), Buffer.from('c')]), digest),
    ]);
    expect(passed.toString()).toBe('abc');
    expect([digest.sha256, digest.sizeBytes]).toEqual([sha256OfAbc, 3]);
  });

  it('goes on from the hash of bytes that were there before', async () => {
    const resumeFrom = createHash('sha256').update('ab');
    const digest = digestStream({ sha256: sha256OfAbc, resumeFrom });
    await Promise.all([buffer(digest), pipeline(Readable.from([Buffer.from('c')]), digest)]);
    expect(digest.sha256).toBe(sha256OfAbc);
  });

  it('fails when the bytes are others, or too many', async () => {
    const other = pipeline(
      Readable.from([Buffer.from('abd')]),
      digestStream({ sha256: sha256OfAbc }),
      buffer,
    );
    await expect(other).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    const large = pipeline(Readable.from([Buffer.from('abc')]), digestStream({ maxBytes: 2 }), buffer);
    await expect(large).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
  });
});
