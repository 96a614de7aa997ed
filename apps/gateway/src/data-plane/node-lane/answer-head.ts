/** Reads the head of a node's answer. What is not beyond doubt is an error: a node of ours never sends it. Pure. */
import { maxHeaderSize } from 'node:http';
import { anyValue, readFieldLines } from '../field-lines.js';

/** How the end of the body is known (RFC 9112 §6.3). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until close' };

export interface AnswerHead {
  readonly status: number;
  /** Names in lower case; a name that comes again has all its values. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly framing: Framing;
  /** For how long the node keeps the connection, as far as it says so; 0: not at all. */
  readonly keepAliveMs: number | undefined;
  /** Of the head itself, with the empty line. */
  readonly byteLength: number;
}

/** What came is no answer that can be trusted. */
export class BadAnswerError extends Error {
  override readonly name = 'BadAnswerError';
}

const statusLine = /^HTTP\/1\.1 ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const digits = /^\d{1,15}$/;
const none: Framing = { kind: 'none' };
const chunked: Framing = { kind: 'chunked' };
const untilClose: Framing = { kind: 'until close' };

/**
 * The head that `bytes` begin with; undefined while its end has not arrived.
 * @param isToHead the request was a HEAD, whose answer has no body
 * @throws {BadAnswerError}
 */
export function readAnswerHead(bytes: Buffer, isToHead: boolean): AnswerHead | undefined {
  const end = bytes.indexOf('\r\n\r\n', 0, 'latin1');
  if (end < 0 && bytes.length < maxHeaderSize) return undefined;
  if (end < 0 || end + 4 > maxHeaderSize) throw new BadAnswerError('The head of the answer is too large');
  // With the line end of the last field, without the empty line.
  const text = bytes.toString('latin1', 0, end + 2);
  const lineEnd = text.indexOf('\r\n');
  const status = Number(statusLine.exec(text.slice(0, lineEnd))?.[1]);
  if (Number.isNaN(status)) throw new BadAnswerError('The answer does not begin like one of HTTP/1.1');
  const headers = Object.create(null) as Record<string, string | string[]>;
  const isWhole = readFieldLines(text, lineEnd + 2, anyValue, (name, value) => {
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
    return true;
  });
  if (!isWhole) throw new BadAnswerError('The answer has a malformed field');
  const framing = framingOf(headers, status, isToHead);
  return { status, headers, framing, keepAliveMs: keepAliveMsOf(headers, framing), byteLength: end + 4 };
}

function framingOf(
  { 'transfer-encoding': coding, 'content-length': length }: AnswerHead['headers'],
  status: number,
  isToHead: boolean,
): Framing {
  const isBare = isToHead || status < 200 || status === 204 || status === 304;
  if (coding !== undefined) {
    // RFC 9112 §6.1: both at once are the mark of a message that is meant to be read in two ways.
    if (length !== undefined || typeof coding !== 'string' || coding.toLowerCase() !== 'chunked')
      throw new BadAnswerError('The answer has a doubtful Transfer-Encoding');
    return isBare ? none : chunked;
  }
  if (length === undefined) return isBare ? none : untilClose;
  if (typeof length !== 'string' || !digits.test(length))
    throw new BadAnswerError('The answer has a doubtful Content-Length');
  if (status === 204 && Number(length) > 0)
    throw new BadAnswerError('The answer announces a body that it cannot have');
  return isBare ? none : { kind: 'length', bytes: Number(length) };
}

const hint = /(?:^|[\s,;])timeout=(\d{1,6})(?:$|[\s,;])/i;

function keepAliveMsOf(
  { connection, 'keep-alive': keepAlive }: AnswerHead['headers'],
  framing: Framing,
): number | undefined {
  if (framing.kind === 'until close') return 0;
  if (connection !== undefined && connection !== 'keep-alive') {
    const options = String(connection).toLowerCase().split(',');
    if (options.some((option) => option.trim() === 'close')) return 0;
  }
  const seconds = typeof keepAlive === 'string' ? hint.exec(keepAlive)?.[1] : undefined;
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}
