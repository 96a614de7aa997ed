/**
 * The caller's side of an exchange, whichever lane it came by: node:http's or the fast one. The stages know nothing else of the
 * connection; what only one lane can do has no place here.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Body, BodyLimits } from './body.js';

/** Names in lower case, repeated fields joined or dropped as node:http does it. */
export type CallerHeaders = Readonly<IncomingHttpHeaders>;

export interface CallerRequest {
  readonly method: string | undefined;
  readonly headers: CallerHeaders;
  /** The caller waits for "100 Continue" before it sends the body. */
  readonly expectsContinue: boolean;
  /** All of it has arrived. */
  readonly complete: boolean;
  /** Gives the body to `then` as soon as it is known which kind it is. Never calls it when the caller goes away first. */
  readBody(limits: BodyLimits, then: (body: Body) => void): void;
  /** Reads on what the caller still sends, for a moment; then the connection goes. Calls `then` when the body ends in time. */
  readAway(then?: () => void): void;
}

/** As much of node:http's response as the stages use, in its words. */
export interface CallerResponse {
  readonly headersSent: boolean;
  readonly statusCode: number;
  /** The connection is gone or given up. */
  readonly destroyed: boolean;
  /** The operating system has all of the answer. */
  readonly writableFinished: boolean;
  writeContinue(): void;
  /** @param fields flat list of names and values */
  writeHead(status: number, fields: string[]): this;
  /** False: wait for `drain` before the next. */
  write(chunk: Buffer): boolean;
  end(chunk?: Buffer): void;
  end(chunk: string, encoding: 'latin1'): void;
  /** `close` comes once, when the answer is over or its caller is gone. */
  once(event: 'close' | 'drain', listener: () => void): this;
  destroy(): void;
}

/** What tells of the body before it is there. */
type Announcement = Pick<CallerRequest, 'headers'>;

export const hasBody = ({ headers }: Announcement): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

/** The announced length; undefined for a chunked body. */
export function announcedLength({ headers }: Announcement): number | undefined {
  const text = headers['content-length'];
  if (text !== undefined) return Number(text);
  return headers['transfer-encoding'] === undefined ? 0 : undefined;
}
