/** The node's own account of what it did for a request. */
import type { Exchange } from './exchange.js';

/** A day. */
const maxTimingUs = 86_400_000_000;
const maxRows = 1_000_000_000;
const form = /^(\d{1,12}),(\d{1,12})(?:,(\d{1,10}),(\d{1,12}))?$/;

/** Takes in the times and, of a node that tells them, the rows and the request's own share. An absurd account must not spoil a sum. */
export function noteTiming(exchange: Exchange, header: string | string[] | undefined): void {
  const found = typeof header === 'string' ? form.exec(header) : null;
  if (!found) return;
  const [queueUs = 0, batchUs = 0, rows = -1, ownUs = batchUs] = found
    .slice(1)
    .map((text) => (text === undefined ? undefined : Number(text)));
  if (queueUs + batchUs > maxTimingUs || rows > maxRows || ownUs > maxTimingUs) return;
  exchange.queueMs = queueUs / 1_000;
  exchange.computeMs = batchUs / 1_000;
  exchange.rows = rows;
  exchange.ownComputeUs = ownUs;
}
