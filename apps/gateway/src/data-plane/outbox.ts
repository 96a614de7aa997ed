/**
 * Messages that leave together at the end of the turn of the event loop in which they were made. A write on a socket also wakes its
 * receiver, which costs more than the write when it sleeps: one after the other, with work between, each finds it asleep again.
 */

/** Who has a whole message ready. */
export interface Sender {
  /** Writes it, if it is still wanted. */
  flush(): void;
}

/** Bodies up to this size are joined with their head to one string: a single cheap write instead of a gathered one. */
export const joinedBytes = 16_384;

/** More than these do not wait for each other, or the first would wait for long in a busy turn. */
const maxWaiting = 64;

export class Outbox {
  private waiting: Sender[] = [];

  /** Has the sender flushed in this turn, once. */
  add(sender: Sender): void {
    const count = this.waiting.push(sender);
    if (count === 1) setImmediate(this.flush);
    else if (count === maxWaiting) this.flush();
  }

  private readonly flush = (): void => {
    const senders = this.waiting;
    this.waiting = [];
    for (const sender of senders) sender.flush();
  };
}
