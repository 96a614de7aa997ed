/**
 * Where a window and the one after it end, on the monotonic clock of this process. The ledger says how far off they are; when it
 * said so is known to within the round trip, so each edge is a span of time: before it one window, after it the other for sure.
 */
import type { LeaseGrant } from '#contracts/quotas';

/** How far this clock and the ledger's can drift apart: NTP slews by 500 ppm at most. */
const drift = 0.0005;
/** The next window's block is asked for so long before that window begins, or half a window if that is shorter. */
const leadMs = 2_000;

export class WindowEdges {
  /** Before it the window has not ended; Infinity without windows. */
  endsAtMs = Infinity;
  /** From then on the window has ended for sure. */
  endedAtMs = Infinity;
  /** Start of the window after this one, as the ledger calls it. */
  nextStart = 0;
  /** When the next window's block should be asked for. */
  askAheadAtMs = Infinity;
  private next = { endsAtMs: Infinity, endedAtMs: Infinity };

  /** Before it the window after this one has not ended either. */
  get nextEndsAtMs(): number {
    return this.next.endsAtMs;
  }

  /** @param sentMs from before the ledger was asked; it answered between then and now */
  told(grant: LeaseGrant, sentMs: number, nowMs: number): void {
    const { window_end: end, ends_in_ms: inMs, next_ends_in_ms: nextInMs } = grant;
    if (end === null || inMs === null || nextInMs === null) {
      this.endsAtMs = this.endedAtMs = this.askAheadAtMs = Infinity;
      return;
    }
    const edge = (ms: number) => ({
      endsAtMs: sentMs + ms * (1 - drift),
      endedAtMs: nowMs + ms * (1 + drift),
    });
    this.nextStart = end;
    this.next = edge(nextInMs);
    this.set(edge(inMs), nextInMs - inMs);
  }

  /** The next window is the one of now. */
  turn(): void {
    this.nextStart = 0;
    this.set(this.next, this.next.endsAtMs - this.endsAtMs);
  }

  private set({ endsAtMs, endedAtMs }: { endsAtMs: number; endedAtMs: number }, lengthMs: number): void {
    this.endsAtMs = endsAtMs;
    this.endedAtMs = endedAtMs;
    this.askAheadAtMs = endsAtMs - Math.min(leadMs, lengthMs / 2);
  }
}
