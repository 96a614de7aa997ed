/** The word for what became of a request, as it is counted. */
import { errorTable } from '#contracts/errors';
import type { ErrorCode } from '#contracts/errors';

/** `OK`, a code of the table, or what the node's status says when it gave no code. */
export type OutcomeCode = ErrorCode | 'OK' | 'CALLER_LEFT' | 'UPSTREAM_4XX' | 'UPSTREAM_5XX';

const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(errorTable, text);

/** The outcome that a node's answer stands for. Codes that we do not know must not become label values. */
export function outcomeOf(status: number, code: string | string[] | undefined): OutcomeCode {
  if (status < 400) return 'OK';
  if (typeof code === 'string' && isErrorCode(code)) return code;
  return status < 500 ? 'UPSTREAM_4XX' : 'UPSTREAM_5XX';
}

/** Whether gateway or node, not the caller, is to blame. */
export function isServerFault(code: OutcomeCode): boolean {
  if (code === 'OK' || code === 'CALLER_LEFT' || code === 'UPSTREAM_4XX') return false;
  return code === 'UPSTREAM_5XX' || errorTable[code].status >= 500;
}
