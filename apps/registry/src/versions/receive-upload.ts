/**
 * From the bytes of a request to stored artifacts and parsed metadata. Knows HTTP and the artifact store, not the
 * database: whatever fails here leaves no version behind.
 */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ArtifactStore } from '#artifacts/artifact-store';
import { digestStream } from '#artifacts/digest-stream';
import { CreateVersion } from '#contracts/models';
import type { UploadQuery, VersionFile } from '#contracts/models';
import { SluiceError } from '#platform/errors';
import type { z } from 'zod';
import { expectedDigest } from './expected-digest.js';
import { maxFiles, maxMetadataBytes, readMultipart } from './multipart.js';
import { openBody, refuseAnnouncedLength } from './request-body.js';
import { refuseClash } from './upload-plan.js';

export interface ReceivedUpload {
  readonly files: readonly VersionFile[];
  readonly metadata: CreateVersion;
}

export interface UploadLimits {
  /** Of all files of one upload together. */
  readonly maxBytes: number;
}

/** What a multipart body may have beside the files: metadata, boundaries, part headers. */
const multipartOverheadBytes = maxMetadataBytes + maxFiles * 4_096;

/**
 * Receives one upload; `admit` is asked before the body is read.
 * @throws SluiceError on anything that the caller did wrong
 */
export async function receiveUpload(
  request: IncomingMessage,
  query: z.output<typeof UploadQuery>,
  store: ArtifactStore,
  limits: UploadLimits,
  admit: () => Promise<void>,
): Promise<ReceivedUpload> {
  const body = openBody(request);
  try {
    const contentType = contentTypeOf(request);
    const isMultipart = /^multipart\/form-data\b/i.test(contentType);
    refuseAnnouncedLength(request, limits.maxBytes + (isMultipart ? multipartOverheadBytes : 0));
    const sha256 = expectedDigest(request.headers);
    await admit();
    return isMultipart
      ? await receiveMultipart(body, { contentType, sha256, store, limits })
      : await receiveSingle(body, { query, sha256, store, limits });
  } finally {
    body.destroy();
  }
}

function contentTypeOf(request: IncomingMessage): string {
  const contentType = request.headers['content-type'] ?? 'application/octet-stream';
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity')
    throw new SluiceError(
      'UNSUPPORTED_MEDIA_TYPE',
      `Send the files themselves, without Content-Encoding ${encoding}.`,
    );
  if (/^multipart\/(?!form-data\b)/i.test(contentType))
    throw new SluiceError(
      'UNSUPPORTED_MEDIA_TYPE',
      'Of the multipart types only multipart/form-data is taken.',
    );
  return contentType;
}

interface Receiving {
  /** Announced digest of the whole content. */
  readonly sha256: string | undefined;
  readonly store: ArtifactStore;
  readonly limits: UploadLimits;
}

async function receiveSingle(
  body: Readable,
  { query, sha256, store, limits }: Receiving & { readonly query: z.output<typeof UploadQuery> },
): Promise<ReceivedUpload> {
  const { path, ...rest } = query;
  const stored = await store.write(body, { maxBytes: limits.maxBytes, sha256 });
  const files = [{ path, sha256: stored.sha256, size_bytes: stored.sizeBytes }];
  return { files, metadata: CreateVersion.parse({ ...rest, entry_file: path }) };
}

async function receiveMultipart(
  body: Readable,
  { contentType, sha256, store, limits }: Receiving & { readonly contentType: string },
): Promise<ReceivedUpload> {
  const files = new Map<string, VersionFile>();
  let leftBytes = limits.maxBytes;
  const onFile = async (path: string, content: Readable): Promise<void> => {
    refuseClash(path, files);
    const stored = await store.write(content, { maxBytes: leftBytes });
    leftBytes -= stored.sizeBytes;
    files.set(path, { path, sha256: stored.sha256, size_bytes: stored.sizeBytes });
  };
  const text = await readMultipart(checked(body, sha256), { contentType, onFile });
  return { files: [...files.values()], metadata: parseMetadata(text) };
}

/** `body`, ending in DIGEST_MISMATCH when the announced digest is not its own. */
function checked(body: Readable, sha256: string | undefined): Readable {
  if (sha256 === undefined) return body;
  const digest = digestStream({ sha256 });
  // A failure ends `digest` with that same error; whoever reads from it throws it.
  pipeline(body, digest).catch(() => undefined);
  return digest;
}

function parseMetadata(text: string | undefined): CreateVersion {
  const result = CreateVersion.safeParse(text === undefined ? {} : parseJson(text));
  if (result.success) return result.data;
  const fields = result.error.issues.map((issue) => ({
    path: ['metadata', ...issue.path.map(String)].join('.'),
    message: issue.message,
  }));
  throw new SluiceError('INVALID_REQUEST', `${fields[0]?.path ?? ''}: ${fields[0]?.message ?? ''}`, {
    fields,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SluiceError('INVALID_JSON', 'The part "metadata" cannot be read as JSON.', { cause });
  }
}
