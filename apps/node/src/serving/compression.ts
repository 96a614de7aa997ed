/**
 * Compressed bodies, both ways: gzip and deflate, where deflate is the zlib format (RFC 9110 §8.4.1.2). The work is done
 * in zlib's threads and never on the event loop; what a body inflates to is bounded.
 */
import { constants, deflate, gunzip, gzip, inflate } from 'node:zlib';

export type Encoding = 'gzip' | 'deflate';

/** What a 415 may offer instead. */
export const acceptedEncodings = 'gzip, deflate';

/** Of a Content-Encoding header: `identity`, one that we read, or undefined for what we cannot. */
export function contentEncoding(header: string | undefined): Encoding | 'identity' | undefined {
  if (header === undefined) return 'identity';
  switch (header.trim().toLowerCase()) {
    case '':
    case 'identity':
      return 'identity';
    case 'gzip':
    case 'x-gzip':
      return 'gzip';
    case 'deflate':
      return 'deflate';
    default:
      return undefined;
  }
}

/** Of an Accept-Encoding header, the one to answer in; undefined: as it is (RFC 9110 §12.5.3). */
export function answerEncoding(header: string | undefined): Encoding | undefined {
  if (header === undefined) return undefined;
  const weights = new Map<string, number>();
  for (const part of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim());
    const weight = parameters.find((text) => /^q\s*=/.test(text))?.replace(/^q\s*=\s*/, '');
    weights.set(name === 'x-gzip' ? 'gzip' : name, weight === undefined ? 1 : Number(weight) || 0);
  }
  const weightOf = (name: string): number => weights.get(name) ?? weights.get('*') ?? 0;
  const best = weightOf('deflate') > weightOf('gzip') ? 'deflate' : 'gzip';
  const asItIs = weights.get('identity') ?? 0;
  return weightOf(best) > 0 && weightOf(best) >= asItIs ? best : undefined;
}

export type Inflated =
  | { readonly kind: 'body'; readonly body: Buffer }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'broken' };

const isTooLarge = (error: Error): boolean => 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';

/** Calls back with what came out, never before it returns. */
export function inflateBody(
  encoding: Encoding,
  chunks: readonly Buffer[],
  maxBytes: number,
  onDone: (result: Inflated) => void,
): void {
  const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
  const read = encoding === 'gzip' ? gunzip : inflate;
  read(body, { maxOutputLength: maxBytes }, (error, result) => {
    if (!error) onDone({ kind: 'body', body: result });
    else onDone({ kind: isTooLarge(error) ? 'too-large' : 'broken' });
  });
}

/** Calls back with the compressed body, or undefined when that is no gain. */
export function compressBody(
  encoding: Encoding,
  body: Buffer,
  onDone: (result: Buffer | undefined) => void,
): void {
  const write = encoding === 'gzip' ? gzip : deflate;
  // Tensors change with every answer and are read once: speed counts more than size.
  write(body, { level: constants.Z_BEST_SPEED }, (error, result) => {
    onDone(error || result.length >= body.length ? undefined : result);
  });
}
