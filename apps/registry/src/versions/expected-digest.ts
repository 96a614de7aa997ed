/** Digests that an upload announces in its headers. Algorithms other than SHA-256 are passed over, as RFC 9530 §2 asks. */
import type { IncomingHttpHeaders } from 'node:http';
import { SluiceError } from '#platform/errors';

interface Announcement {
  readonly header: string;
  /** The digest in lower-case hex; undefined when the header has no SHA-256. @throws on a broken one */
  readonly read: (value: string) => string | undefined;
}

const announcements: readonly Announcement[] = [
  // RFC 9530 §2: a structured dictionary, `sha-256=:base64:`.
  { header: 'content-digest', read: (value) => fromList(value, /^sha-256=:([A-Za-z0-9+/=]*):$/) },
  // RFC 3230 §4.3.2, still what many tools send: `SHA-256=base64`.
  { header: 'digest', read: (value) => fromList(value, /^sha-256=([A-Za-z0-9+/=]*)$/i) },
  { header: 'x-sluice-sha256', read: (value) => value.trim().toLowerCase() },
];

/**
 * The SHA-256 that the whole content must have, in lower-case hex.
 * @throws SluiceError INVALID_REQUEST on a digest that is none, DIGEST_MISMATCH when headers contradict each other
 */
export function expectedDigest(headers: IncomingHttpHeaders): string | undefined {
  const digests = announcements.flatMap(({ header, read }) => {
    const value = headers[header];
    const digest = typeof value === 'string' ? read(value) : undefined;
    if (digest === undefined) return [];
    if (/^[0-9a-f]{64}$/.test(digest)) return [digest];
    throw new SluiceError('INVALID_REQUEST', `The header ${header} holds no SHA-256 digest.`);
  });
  if (new Set(digests).size > 1)
    throw new SluiceError('DIGEST_MISMATCH', 'The headers of the upload announce different digests.');
  return digests[0];
}

/** The member that names SHA-256. One that names it and does not match the form gives '', which is no digest. */
function fromList(value: string, form: RegExp): string | undefined {
  const member = value
    .split(',')
    .map((text) => text.trim())
    .find((text) => /^sha-256=/i.test(text));
  if (member === undefined) return undefined;
  return Buffer.from(form.exec(member)?.[1] ?? '', 'base64').toString('hex');
}
