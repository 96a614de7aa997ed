/**
 * A request that creates something, and whether its answer was handed over. Tells a repeat of a request from a second one that happens
 * to be equal; never holds a body.
 */
import { createHash } from 'node:crypto';
import { finished } from 'node:stream';
import type { ServerResponse } from 'node:http';

/** `lost`: the connection broke before the answer was out, or the answer was a failure of ours. */
export type Fate = 'answered' | 'lost';

export interface Exchange {
  /** Equal for requests that may be the same one. */
  readonly fingerprint: string;
  readonly bodySha256: string;
  /** The client named the request by an Idempotency-Key: whoever sends the name again means the same request. */
  readonly isKeyed: boolean;
  readonly fate: Promise<Fate>;
  /** What the caller's last request made, if this one can only be its repeat. */
  repeated?: string | undefined;
  /** What this one made, once that is committed. */
  made?: string;
}

export interface ExchangeRequest {
  readonly subject: string;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly key: string | undefined;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The fingerprint of a request with a key leaves its body out, so that another body under the same key is noticed. */
export function beginExchange(request: ExchangeRequest, answer: ServerResponse): Exchange {
  const { subject, method, path, key } = request;
  const bodySha256 = sha256(JSON.stringify(request.body ?? null));
  const name = key === undefined ? ['body', bodySha256] : ['key', key];
  return {
    fingerprint: sha256(JSON.stringify([subject, method, path, ...name])),
    bodySha256,
    isKeyed: key !== undefined,
    fate: fateOf(answer),
  };
}

const fateOf = (answer: ServerResponse): Promise<Fate> =>
  new Promise((resolve) => {
    finished(answer, (error) => resolve(error || answer.statusCode >= 500 ? 'lost' : 'answered'));
  });
