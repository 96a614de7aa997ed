/** Answers a request whose body has not been read. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorCode } from '#contracts/errors';
import { sendError } from './answers.js';

/** How long a caller may go on sending a body that has been refused already. */
const lingerMs = 5_000;

/** Bodies up to this are read to their end after a refusal, so that the connection can be used again. */
const drainedBytes = 65_536;

/** The rest of the body is thrown away, for a while. */
export function refuse(req: IncomingMessage, res: ServerResponse, code: ErrorCode, message: string): void {
  const announced = Number(req.headers['content-length'] ?? 0);
  const isSmall = req.headers['transfer-encoding'] === undefined && announced <= drainedBytes;
  if (!isSmall) {
    res.shouldKeepAlive = false;
    const timer = setTimeout(() => req.destroy(), lingerMs);
    req.once('close', () => clearTimeout(timer));
  }
  sendError(res, code, message);
  req.resume();
}

/** For a body that has not come to its end in time: what may still come of it cannot be told from the next request. */
export function refuseLate(req: IncomingMessage, res: ServerResponse): void {
  res.shouldKeepAlive = false;
  refuse(req, res, 'REQUEST_TIMEOUT', 'The body did not arrive in time.');
}
