/**
 * W3C Trace Context: reading what came with a request, and the ids of what begins here. Pure but for the randomness of ids. What
 * is not valid counts as absent, so that nothing unchecked reaches a log or the next program.
 */
import { randomFillSync } from 'node:crypto';

/** One program's part of a trace. */
export interface Trace {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits: of the span that this program is. */
  readonly spanId: string;
  /** Of the span that caused this one; undefined when the trace begins here. */
  readonly parentId: string | undefined;
  /** Whether its spans are recorded. */
  readonly isSampled: boolean;
}

type Remote = Pick<Trace, 'traceId' | 'isSampled'> & { readonly parentId: string };

/** §3.2: ids of zeros and version ff are invalid; later versions may add parts, version 00 may not. */
const pattern = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

export function parseTraceparent(header: unknown): Remote | undefined {
  if (typeof header !== 'string' || header.length > 512) return undefined;
  const [, version, traceId, parentId, flags, more] = pattern.exec(header) ?? [];
  if (traceId === undefined || parentId === undefined || flags === undefined) return undefined;
  if (version === '00' && more !== undefined) return undefined;
  return { traceId, parentId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** §3.3: a list of at most 32 members; 512 characters is what everyone must carry. */
const tracestate = /^[\x20-\x7e\t]{1,512}$/;

/** The caller's `tracestate` as it may be passed on; it means nothing without a valid `traceparent`. */
export function saneTracestate(header: unknown, trace: Trace): string | undefined {
  if (typeof header !== 'string' || trace.parentId === undefined) return undefined;
  return tracestate.test(header) && header.split(',', 33).length <= 32 ? header : undefined;
}

/** Randomness in stock: asking for a few bytes costs more than all else of an id. */
const stock = Buffer.allocUnsafeSlow(4_096);
let used = stock.length;

function randomHex(bytes: number): string {
  if (used + bytes > stock.length) {
    randomFillSync(stock);
    used = 0;
  }
  used += bytes;
  return stock.toString('hex', used - bytes, used);
}

export const newSpanId = (): string => randomHex(8);

/**
 * The span of a request in this program: below the caller's when it named one, else the first of a new trace.
 * @param isChosen whether a trace that begins here is to be recorded
 */
export function beginTrace(traceparent: unknown, isChosen: boolean): Trace {
  const remote = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  const spanId = newSpanId();
  if (remote) return { ...remote, spanId };
  return { traceId: randomHex(16), spanId, parentId: undefined, isSampled: isChosen };
}

/** The header for the next program. */
export const traceparentOf = ({ traceId, spanId, isSampled }: Trace): string =>
  `00-${traceId}-${spanId}-0${isSampled ? '1' : '0'}`;
