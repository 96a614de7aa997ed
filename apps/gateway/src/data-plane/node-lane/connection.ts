/** One connection to a node: carries one request and its answer at a time, then waits for the next. Never sends a request twice. */
import type { Socket } from 'node:net';
import { errors } from 'undici';
import { joinedBytes } from '../outbox.js';
import type { Outbox, Sender } from '../outbox.js';
import type { Answer, Carrier } from './answer.js';

export interface ConnectionOwner {
  readonly outbox: Outbox;
  /** The connection can carry another request. @param keepAliveMs as the node said it, if it did */
  onFree(connection: NodeConnection, keepAliveMs: number | undefined): void;
  onClosed(connection: NodeConnection): void;
}

export class NodeConnection implements Carrier, Sender {
  /** When it is too old to be used again, on the monotonic clock. */
  staleAtMs = 0;
  private answer: Answer | undefined;
  /** A whole request that is not written yet. */
  private unsent = '';

  constructor(
    private readonly socket: Socket,
    private readonly owner: ConnectionOwner,
  ) {
    socket
      .on('data', (bytes: Buffer) => this.onData(bytes))
      .on('end', () => this.onEnd())
      .on('error', (error) => this.breakOff(error))
      .on('close', () => {
        this.breakOff(new errors.SocketError('The connection to the node broke'));
        owner.onClosed(this);
      });
  }

  /** @param head of the request, Latin-1 */
  send(head: string, body: Buffer | undefined, answer: Answer): void {
    const { socket } = this;
    this.answer = answer;
    answer.begin(this);
    if (body === undefined || body.length <= joinedBytes) {
      this.unsent = body === undefined ? head : head + body.toString('latin1');
      this.owner.outbox.add(this);
    } else {
      socket.cork();
      socket.write(head, 'latin1');
      socket.write(body);
      socket.uncork();
    }
  }

  flush(): void {
    const { socket, unsent } = this;
    this.unsent = '';
    if (!socket.destroyed) socket.write(unsent, 'latin1');
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  release(keepAliveMs: number | undefined): void {
    const { socket } = this;
    this.answer = undefined;
    if (socket.isPaused()) socket.resume();
    // An answer that came before the whole request was sent leaves the rest of that in the way of the next.
    const isSent = this.unsent === '' && socket.writableLength === 0;
    if (keepAliveMs === 0 || !isSent || socket.destroyed) this.destroy();
    else this.owner.onFree(this, keepAliveMs);
  }

  destroy(): void {
    this.answer = undefined;
    this.socket.destroy();
  }

  breakOff(reason: Error): void {
    const { answer } = this;
    this.destroy();
    answer?.fail(reason);
  }

  get isUsable(): boolean {
    return !this.socket.destroyed && this.socket.writable;
  }

  private onData(bytes: Buffer): void {
    if (this.answer) this.answer.take(bytes);
    // Nobody asked for anything: it is out of step.
    else this.destroy();
  }

  private onEnd(): void {
    const { answer } = this;
    this.destroy();
    answer?.end(new errors.SocketError('The node closed the connection'));
  }
}
