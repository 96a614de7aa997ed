import type { IncomingMessage } from 'node:http';
import { v7 as uuidv7 } from 'uuid';

const sane = /^[\w.:/+=-]{1,128}$/;

/** The caller's X-Request-Id if it is fit for logs and headers, else a new one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && sane.test(given) ? given : uuidv7();
}
