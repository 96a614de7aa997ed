/**
 * Cross-origin calls of browsers (Fetch standard, §3.2): which origins may read answers, and the answer to the question that a
 * browser asks first. Tokens travel in a header and never in a cookie, so credentials are never allowed.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { codeHeader } from '#contracts/errors';
import { sluiceHeaders } from '#contracts/oip';
import { rateLimitHeader, rateLimitPolicyHeader } from '#quota/headers';

const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE';
/** What a page may read beside the fields that every page may. */
const exposed = [
  sluiceHeaders.requestId,
  sluiceHeaders.version,
  sluiceHeaders.node,
  codeHeader,
  rateLimitHeader,
  rateLimitPolicyHeader,
  'retry-after',
  'etag',
  'location',
  'www-authenticate',
  'inference-header-content-length',
].join(', ');
const requestable = /^[\w!#$%&'*+.^`|~, -]{1,1024}$/;
/** Chromium takes no longer than this. */
const maxAgeS = 7_200;

/** @throws RangeError for what no browser would send as its Origin */
export function parseOrigins(list: readonly string[]): ReadonlySet<string> {
  for (const entry of list)
    if (entry !== '*' && (!URL.canParse(entry) || new URL(entry).origin !== entry))
      throw new RangeError(
        `"${entry}" is no origin: write scheme, host and port, such as https://app.example`,
      );
  return new Set(list);
}

export const isCorsField = (name: string): boolean => name.startsWith('access-control-');

export class Cors {
  constructor(private readonly origins: ReadonlySet<string>) {}

  /** Adds to an answer what lets the page read it. Whether it may depends on the origin, which caches must know (RFC 9110 §12.5.5). */
  push(fields: string[], { origin }: IncomingHttpHeaders): void {
    fields.push('vary', 'origin');
    if (origin === undefined || !this.allows(origin)) return;
    fields.push('access-control-allow-origin', origin, 'access-control-expose-headers', exposed);
  }

  /** Answers a preflight, which never carries a token. @returns whether the request was one */
  answerPreflight({ method, headers }: IncomingMessage, res: ServerResponse): boolean {
    const { origin, 'access-control-request-method': wanted } = headers;
    if (method !== 'OPTIONS' || origin === undefined || wanted === undefined) return false;
    const fields = ['vary', 'origin, access-control-request-headers'];
    if (this.allows(origin)) {
      fields.push('access-control-allow-origin', origin, 'access-control-allow-methods', methods);
      fields.push('access-control-max-age', String(maxAgeS));
      const asked = headers['access-control-request-headers'];
      if (asked !== undefined && requestable.test(asked)) fields.push('access-control-allow-headers', asked);
    }
    res.writeHead(204, fields).end();
    return true;
  }

  private allows(origin: string): boolean {
    return this.origins.has(origin) || this.origins.has('*');
  }
}
