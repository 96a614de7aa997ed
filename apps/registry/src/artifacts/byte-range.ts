/** Range requests (RFC 9110 §14): one range of bytes. What is malformed or asks for several is ignored, as the RFC allows. */
import type { ByteRange } from '#artifacts/artifact-store';

/** `undefined`: send it all. */
export type RequestedRange = ByteRange | 'unsatisfiable' | undefined;

export function parseRange(header: string | undefined, sizeBytes: number): RequestedRange {
  const match = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') return lastBytes(Number(last), sizeBytes);
  const start = Number(first);
  const end = last === '' ? sizeBytes - 1 : Number(last);
  if (last !== '' && end < start) return undefined;
  return start < sizeBytes ? { start, end: Math.min(end, sizeBytes - 1) } : 'unsatisfiable';
}

const lastBytes = (count: number, sizeBytes: number): RequestedRange =>
  count === 0 || sizeBytes === 0
    ? 'unsatisfiable'
    : { start: Math.max(0, sizeBytes - count), end: sizeBytes - 1 };
