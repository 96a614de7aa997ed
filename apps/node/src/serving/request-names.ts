/** Under which names a request is known to whoever looks for it in the logs of all programs. */
import type { IncomingMessage } from 'node:http';
import { sluiceHeaders } from '#contracts/oip';
import { parseTraceparent } from '#platform/trace-context';

export interface RequestNames {
  readonly request_id: string;
  readonly trace_id?: string;
}

const sane = /^[\w.:@/+=-]{1,128}$/;

/** The request id that the gateway gave, or `-`. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers[sluiceHeaders.requestId];
  return typeof given === 'string' && sane.test(given) ? given : '-';
}

export function namesOf(req: Pick<IncomingMessage, 'headers'>): RequestNames {
  const trace = parseTraceparent(req.headers['traceparent']);
  return { request_id: requestIdOf(req), ...(trace ? { trace_id: trace.traceId } : {}) };
}
