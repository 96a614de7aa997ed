/**
 * Parses JSON without losing what JSON.parse loses: integers beyond 2^53 stay exact, and the tokens NaN, Infinity and
 * -Infinity (which Python's json writes) are read. Such tokens come out as marked strings that only `tokenOf` recognises.
 * Bodies that need neither pay one scan at most.
 */
import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { TensorError } from './errors.js';

/** Unguessable, so that no caller's string can pass for a token. */
const mark = `\u0000${randomBytes(12).toString('hex')}:`;
const quotedMark = JSON.stringify(mark).slice(0, -1);

/** Sixteen digits are the first that may not fit a double; 2^53 has sixteen. */
const longInteger = /\d{16}/;
const stringOrToken = /"(?:[^"\\]|\\.)*"|-?(?:Infinity|NaN)|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const exactToken = /^(?:NaN|-?Infinity|-?[1-9]\d{15,})$/;

/** The text of a token that JSON.parse could not have kept, else undefined. */
export function tokenOf(value: string): string | undefined {
  return value.startsWith(mark) ? value.slice(mark.length) : undefined;
}

const markTokens = (text: string): string =>
  text.replace(stringOrToken, (token) => (exactToken.test(token) ? `${quotedMark}${token}"` : token));

export interface ParseOptions {
  /** Whether integers beyond 2^53 matter to the reader. */
  readonly exactIntegers: boolean;
}

/** @throws TensorError INVALID_JSON */
export function parseJson(bytes: Buffer, options: ParseOptions): unknown {
  if (!isUtf8(bytes)) throw new TensorError('INVALID_JSON', 'The body is not valid UTF-8.');
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(options.exactIntegers && longInteger.test(text) ? markTokens(text) : text);
  } catch (error) {
    if (/NaN|Infinity/.test(text)) return parseMarked(text);
    throw invalidJson(error);
  }
}

function parseMarked(text: string): unknown {
  try {
    return JSON.parse(markTokens(text));
  } catch (error) {
    throw invalidJson(error);
  }
}

function invalidJson(error: unknown): TensorError {
  const reason = error instanceof Error ? error.message.slice(0, 200) : 'unreadable';
  return new TensorError('INVALID_JSON', `The body is not valid JSON: ${reason}`);
}
