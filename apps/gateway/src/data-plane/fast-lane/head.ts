/**
 * Reads the head of a plain, unambiguous HTTP/1.1 request. Everything else is "not plain" and goes to node:http, which decides: so
 * this parser must never accept what llhttp refuses, and must agree with it on whatever it accepts. Pure.
 */
import { maxHeaderSize } from 'node:http';
import type { CallerHeaders } from '../caller.js';

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

/** RFC 9110 §5.6.2. */
const isTokenChar = charSet("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
/** Visible ASCII, space and tab: no control characters, and none of the bytes above ASCII (RFC 9110 §5.5). */
const isValueChar = charSet(
  `\t${String.fromCharCode(...Array.from({ length: 0x7f - 0x20 }, (_, i) => i + 0x20))}`,
);

function charSet(chars: string): Uint8Array {
  const set = new Uint8Array(256);
  for (const char of chars) set[char.charCodeAt(0)] = 1;
  return set;
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

const [tab, space, lineFeed, carriageReturn, colon] = [9, 32, 10, 13, 58];

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
  for (let at = from; at < text.length;) {
    const nameEnd = skip(text, at, isTokenChar);
    if (nameEnd === at || text.charCodeAt(nameEnd) !== colon) return undefined;
    let valueStart = nameEnd + 1;
    while (isBlank(text.charCodeAt(valueStart))) valueStart += 1;
    const lineEnd = skip(text, valueStart, isValueChar);
    if (text.charCodeAt(lineEnd) !== carriageReturn || text.charCodeAt(lineEnd + 1) !== lineFeed)
      return undefined;
    let valueEnd = lineEnd;
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd -= 1;
    const name = text.slice(at, nameEnd).toLowerCase();
    if (headers[name] !== undefined || notPlain.has(name)) return undefined;
    headers[name] = text.slice(valueStart, valueEnd);
    at = lineEnd + 2;
  }
  return headers;
}

const isBlank = (code: number): boolean => code === space || code === tab;

function skip(text: string, from: number, set: Uint8Array): number {
  let at = from;
  while (set[text.charCodeAt(at)] === 1) at += 1;
  return at;
}
