/** Streams as S3 takes them: in parts that are held one at a time. */
import { SluiceError } from '#platform/errors';
import type { S3Client } from './s3-client.js';

/** Above S3's smallest part (5 MiB). */
const partBytes = 8 * 2 ** 20;
/** S3's limit. */
const maxParts = 10_000;

/** Parts of one size, and a last one of what is left. */
export async function* inParts(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer<ArrayBuffer>> {
  let part = Buffer.allocUnsafeSlow(partBytes);
  let filled = 0;
  for await (const chunk of source)
    for (let taken = 0; taken < chunk.length;) {
      const copied = chunk.copy(part, filled, taken);
      filled += copied;
      taken += copied;
      if (filled < partBytes) continue;
      yield part;
      part = Buffer.allocUnsafeSlow(partBytes);
      filled = 0;
    }
  if (filled > 0) yield part.subarray(0, filled);
}

/** Makes one object of the parts. Nothing is left when it throws. @returns its bytes */
export async function putParts(
  s3: S3Client,
  key: string,
  parts: AsyncIterable<Buffer<ArrayBuffer>>,
  beforeCompletion: () => Promise<void> = async () => undefined,
): Promise<number> {
  const upload = await s3.beginMultipart(key);
  try {
    const etags: string[] = [];
    let sizeBytes = 0;
    for await (const part of parts) {
      if (etags.length === maxParts)
        throw new SluiceError('PAYLOAD_TOO_LARGE', `On S3 a file has at most ${maxParts * partBytes} bytes.`);
      etags.push(await s3.putPart(upload, etags.length + 1, part));
      sizeBytes += part.length;
    }
    await beforeCompletion();
    await s3.completeMultipart(upload, etags);
    return sizeBytes;
  } catch (error) {
    await s3.abortMultipart(upload);
    throw error;
  }
}
