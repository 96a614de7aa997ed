/** Answers an artifact's bytes, whole or a range, with headers that keep a browser from doing anything with them. */
import { Readable } from 'node:stream';
import type { ArtifactStore } from '#artifacts/artifact-store';
import { SluiceError } from '#platform/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { parseRange } from './byte-range.js';
import type { RequestedRange } from './byte-range.js';

export interface ArtifactAnswer {
  readonly sha256: string;
  /** Path inside the version, for the name under which a browser saves it. */
  readonly path?: string;
}

/** @throws SluiceError ARTIFACT_NOT_FOUND or RANGE_NOT_SATISFIABLE */
export async function sendArtifact(
  store: Pick<ArtifactStore, 'size' | 'open'>,
  { sha256, path = sha256 }: ArtifactAnswer,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const sizeBytes = await store.size(sha256);
  if (sizeBytes === undefined)
    throw new SluiceError('ARTIFACT_NOT_FOUND', `The store has no artifact ${sha256}.`);
  const etag = `"${sha256}"`;
  const cacheHeaders = { etag, 'cache-control': 'private, no-cache, no-transform' };
  if (matches(request.headers['if-none-match'], etag))
    return void reply.code(304).headers(cacheHeaders).send();
  const range = requestedRange(request, etag, sizeBytes);
  if (range === 'unsatisfiable') {
    void reply.header('content-range', `bytes */${sizeBytes}`);
    throw new SluiceError(
      'RANGE_NOT_SATISFIABLE',
      `The artifact has ${sizeBytes} bytes; the range lies outside.`,
    );
  }
  // Fastify's HEAD keeps the content-length of a stream only.
  const content = request.method === 'HEAD' ? Readable.from([]) : await store.open(sha256, range);
  const { start, end } = range ?? { start: 0, end: sizeBytes - 1 };
  void reply
    .code(range ? 206 : 200)
    .headers({ ...cacheHeaders, ...descriptionOf(sha256, path) })
    .headers(range ? { 'content-range': `bytes ${start}-${end}/${sizeBytes}` } : {})
    .header('content-length', end - start + 1)
    .send(content);
}

const descriptionOf = (sha256: string, path: string): Record<string, string> => ({
  'content-type': 'application/octet-stream',
  'content-disposition': contentDisposition(path),
  'accept-ranges': 'bytes',
  'x-content-type-options': 'nosniff',
  // RFC 9530 §3: of the whole artifact, also when only a range of it is sent.
  'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
});

/** A range of other bytes than the caller has seen would be of no use (RFC 9110 §13.1.5); only GET has ranges (§14.2). */
function requestedRange(
  { headers, method }: FastifyRequest,
  etag: string,
  sizeBytes: number,
): RequestedRange {
  const ifRange = headers['if-range'];
  if (method !== 'GET' || (ifRange !== undefined && ifRange !== etag)) return undefined;
  return parseRange(headers.range, sizeBytes);
}

function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}

/** RFC 6266 with RFC 8187: a plain name for old readers, the exact one for the others. Always a download, never shown. */
export function contentDisposition(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const plain = name.replace(/[^\w.-]/g, '_');
  const exact = encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
}
