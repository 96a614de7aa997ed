/**
 * How bodies are read. JSON and forms are held (within the route's limit); an upload's bytes pass through as a stream,
 * whatever their type; everything else is refused. A form is taken only where the route table says so.
 */
import { SluiceError } from '#platform/errors';
import type { FastifyInstance, FastifyRequest } from 'fastify';

type Done = (error: Error | null, body?: unknown) => void;

const takesForm = (request: FastifyRequest): boolean =>
  request.routeOptions.config.spec?.bodyMedia === 'form';
const takesUpload = (request: FastifyRequest): boolean =>
  request.routeOptions.config.spec?.bodyMedia === 'upload';

/**
 * An escaped surrogate. `JSON.stringify` escapes those without a partner only: they are no text (RFC 8259 §8.2), and the database
 * would refuse some and change others.
 */
const halfCharacter = /(?<!\\)(?:\\\\)*\\ud[89a-f]/i;

/** Replaces Fastify's parsers. */
export function registerBodyParsers(fastify: FastifyInstance): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (request: FastifyRequest, body: string, done: Done) => {
      // A POST without a body often carries the content type all the same.
      if (body === '') return done(null, undefined);
      if (takesUpload(request)) return done(unsupported(request));
      void parseJson(request, body, (error, value) => {
        if (error) return done(invalidJson(error));
        if (halfCharacter.test(body) && halfCharacter.test(JSON.stringify(value))) return done(unpaired());
        done(null, value);
      });
    },
  );
  fastify.addContentTypeParser<string>(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (request: FastifyRequest, body: string, done: Done) => {
      if (!takesForm(request)) return done(unsupported(request));
      done(null, parseForm(body));
    },
  );
  fastify.addContentTypeParser('*', (request: FastifyRequest, payload: unknown, done: Done) => {
    if (!takesUpload(request)) return done(unsupported(request));
    done(null, payload);
  });
}

/** A repeated field stays repeated, so that the schema refuses it (RFC 6749 §3.2). */
function parseForm(body: string): Record<string, string | string[]> {
  const form = new URLSearchParams(body);
  return Object.fromEntries(
    [...new Set(form.keys())].map((key) => {
      const values = form.getAll(key);
      return [key, values.length === 1 ? (values[0] ?? '') : values];
    }),
  );
}

const invalidJson = (cause: Error): SluiceError =>
  new SluiceError('INVALID_JSON', 'The body cannot be read as JSON.', { cause });

const unpaired = (): SluiceError =>
  new SluiceError(
    'INVALID_JSON',
    'The body holds half of a surrogate pair (\\ud800 to \\udfff), which is no character.',
  );

const unsupported = (request: FastifyRequest): SluiceError =>
  new SluiceError(
    'UNSUPPORTED_MEDIA_TYPE',
    `This address does not take ${request.headers['content-type'] ?? 'a body without content type'}.`,
  );
