/**
 * The form of a token, before any cryptography: three parts of clean base64url whose JSON names nothing twice. Two parsers that
 * differ on a duplicate member could see two different tokens (RFC 7515 §4, RFC 8725 §2.4).
 */
import { z } from 'zod';

/** Longer than any token that is good for something; refused at once. */
const maxTokenChars = 8_192;

const JsonObject = z.record(z.string(), z.unknown());

export interface CompactJws {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** @throws Error in words for the log */
export function parseCompactJws(token: string): CompactJws {
  if (token.length > maxTokenChars) throw new Error('the token is too long');
  const parts = token.split('.');
  const [header, claims, signature] = parts.map(decode);
  if (parts.length !== 3 || !header || !claims || !signature?.length)
    throw new Error('the token has not three parts');
  return { header: parseObject(header), claims: parseObject(claims) };
}

/** Padding, spaces, other alphabets and left-over bits would let one signature stand for several texts. */
function decode(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) throw new Error('a part is not base64url as it should be');
  return bytes;
}

function parseObject(bytes: Buffer): Record<string, unknown> {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  const value = JsonObject.parse(JSON.parse(text));
  const twice = duplicateMember(text);
  if (twice !== undefined) throw new Error(`the member ${twice} is there twice`);
  return value;
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** The first name that an object of this JSON text, at any depth, has twice. @param json valid JSON */
export function duplicateMember(json: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  for (const [token] of json.matchAll(tokens)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const name = JSON.parse(last) as string;
      const names = open.at(-1);
      if (names?.has(name)) return name;
      names?.add(name);
    }
    last = token;
  }
  return undefined;
}
