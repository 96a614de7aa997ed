/**
 * Reads multipart/form-data: files go one after the other to `onFile` as streams, the part `metadata` is held, any other
 * field is refused. Ends well only if the body was complete and every file was taken.
 */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FilePath } from '#contracts/models';
import { SluiceError, messageOf } from '#platform/errors';
import { Busboy } from '@fastify/busboy';
import type { BusboyInstance } from '@fastify/busboy';

export const maxFiles = 1_000;
export const maxMetadataBytes = 1_048_576;

export interface MultipartReader {
  readonly contentType: string;
  /** Must take the stream to its end, or throw. */
  readonly onFile: (path: string, content: Readable) => Promise<void>;
}

/** @returns the text of the part `metadata`, wherever it stood; undefined without one */
export async function readMultipart(body: Readable, reader: MultipartReader): Promise<string | undefined> {
  const parser = createParser(reader.contentType);
  const opened: Readable[] = [];
  let metadata: string | undefined;
  let files = Promise.resolve();
  const refuse = (detail: string): void => void parser.destroy(invalid(detail));

  parser.on('error', () => undefined);
  parser.on('file', (field, content, filename: string | undefined) => {
    opened.push(content);
    // A stream that fails while nobody reads it must not end the process; the failure is the parser's as well.
    content.on('error', () => undefined);
    if (filename === undefined) return refuse(`The part "${field}" has no filename.`);
    const path = FilePath.safeParse(filename);
    if (!path.success)
      return refuse(`The name of a file ${path.error.issues[0]?.message ?? 'is not valid'}.`);
    files = files.then(() => reader.onFile(path.data, content));
    files.catch((error: unknown) => parser.destroy(asError(error)));
  });
  parser.on('field', (_name, text, _nameTruncated, textTruncated) => {
    if (textTruncated) refuse(`The part "metadata" is larger than ${maxMetadataBytes} bytes.`);
    else if (metadata === undefined) metadata = text;
    else refuse('There are two parts named "metadata".');
  });
  parser.on('filesLimit', () => refuse(`A version holds at most ${maxFiles} files.`));
  parser.on('fieldsLimit', () => refuse('There are two parts named "metadata".'));

  try {
    await pipeline(body, parser);
    await files;
    return metadata;
  } catch (error) {
    // A file that was still arriving would wait for ever for its end.
    for (const content of opened) content.destroy(asError(error));
    await files.catch(() => undefined);
    throw explain(error);
  }
}

function createParser(contentType: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      preservePath: true,
      isPartAFile: (name) => name !== 'metadata',
      fileHwm: 256 * 1_024,
      limits: {
        files: maxFiles,
        fields: 2,
        fieldSize: maxMetadataBytes,
        headerPairs: 32,
        headerSize: 16_384,
      },
    });
  } catch (cause) {
    throw new SluiceError('INVALID_REQUEST', 'The multipart content type names no usable boundary.', {
      cause,
    });
  }
}

/** The parser says in words only that the body ended before the closing boundary. */
function explain(error: unknown): unknown {
  if (error instanceof SluiceError || !/unexpected end of multipart data/i.test(messageOf(error)))
    return error;
  return new SluiceError('UPLOAD_INCOMPLETE', 'The multipart body ends before its closing boundary.', {
    cause: error,
  });
}

const invalid = (detail: string): SluiceError => new SluiceError('INVALID_REQUEST', detail);
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
