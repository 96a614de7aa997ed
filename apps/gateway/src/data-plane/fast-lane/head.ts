/**
 * Reads the head of a plain, unambiguous HTTP/1.1 request. Everything else is "not plain" and goes to node:http, which decides: so
 * this parser must never accept what llhttp refuses, and must agree with it on whatever it accepts. Pure.
 */
import { maxHeaderSize } from 'node:http';
import type { CallerHeaders } from '../caller.js';
import { asciiValue, readFieldLines } from '../field-lines.js';

export interface PlainHead {
  readonly method: 'GET' | 'POST';
  readonly target: string;
  readonly headers: CallerHeaders;
  /** Of the body; 0 without one. */
  readonly contentLength: number;
  /** The caller wants the connection closed after the answer. */
  readonly isLast: boolean;
  /** Of the head itself, with the empty line. */
  readonly byteLength: number;
}

/** Only what RFC 3986 allows in path and query. */
const requestLine = /^(GET|POST) (\/v[12]\/[\w\-.~%!$&'()*+,;=:@/?]*) HTTP\/1\.1$/;
const digits = /^\d{1,10}$/;

/** Fields that frame the message, change the protocol, or have a meaning of their own when node:http reads them. */
const notPlain: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
  'http2-settings',
  'set-cookie',
  '__proto__',
]);

/**
 * The head that `bytes` begin with; `incomplete` while it may still become a plain one, `not plain` as soon as it cannot.
 */
export function readHead(bytes: Buffer): PlainHead | 'incomplete' | 'not plain' {
  const end = bytes.indexOf('\r\n\r\n', 0, 'latin1');
  if (end < 0) return mayBecomePlain(bytes) ? 'incomplete' : 'not plain';
  const byteLength = end + 4;
  if (byteLength >= maxHeaderSize) return 'not plain';
  // With the line end of the last field, without the empty line.
  const text = bytes.toString('latin1', 0, end + 2);
  const lineEnd = text.indexOf('\r\n');
  const [, method, target] = requestLine.exec(text.slice(0, lineEnd)) ?? [];
  if (target === undefined) return 'not plain';
  const headers = readFields(text, lineEnd + 2);
  if (headers?.['host'] === undefined) return 'not plain';
  const isPost = method === 'POST';
  const contentLength = lengthOf(headers['content-length'], isPost);
  const connection = headers['connection']?.toLowerCase() ?? 'keep-alive';
  const isLast = connection === 'close';
  if (contentLength === undefined || (!isLast && connection !== 'keep-alive')) return 'not plain';
  return { method: isPost ? 'POST' : 'GET', target, headers, contentLength, isLast, byteLength };
}

/** What llhttp would refuse at once must not wait here for its end. */
function mayBecomePlain(bytes: Buffer): boolean {
  if (bytes.length >= maxHeaderSize) return false;
  const text = bytes.toString('latin1');
  const begins = ['GET /v1/', 'GET /v2/', 'POST /v1/', 'POST /v2/'];
  if (!begins.some((begin) => text.startsWith(begin.slice(0, text.length)))) return false;
  // No bare CR or LF, and no folded line.
  return !/[^\r]\n|\r[^\n]|\r\n[ \t]|[^\t\r\n\x20-\x7e]/.test(text);
}

/** Undefined: no length that is beyond doubt, or one where there should be no body. */
function lengthOf(text: string | undefined, isPost: boolean): number | undefined {
  if (text === undefined) return 0;
  if (!digits.test(text)) return undefined;
  const length = Number(text);
  return isPost || length === 0 ? length : undefined;
}

/** Undefined when a line is not a plain field, or a name comes twice. */
function readFields(text: string, from: number): Record<string, string> | undefined {
  const headers = Object.create(null) as Record<string, string>;
  const isPlain = readFieldLines(text, from, asciiValue, (name, value) => {
    if (headers[name] !== undefined || notPlain.has(name)) return false;
    headers[name] = value;
    return true;
  });
  return isPlain ? headers : undefined;
}
