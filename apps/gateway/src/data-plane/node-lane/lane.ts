/**
 * The way of plain requests to one node: small held bodies over kept connections, without undici's queues and parser between. Opens
 * connections as undici does; what streams, is sent again, or goes to servers of others stays with undici.
 */
import type { buildConnector } from 'undici';
import { Outbox } from '../outbox.js';
import { Answer } from './answer.js';
import type { AnswerHandler } from './answer.js';
import { NodeConnection } from './connection.js';
import type { ConnectionOwner } from './connection.js';

export interface NodeLaneSettings {
  readonly connect: ReturnType<typeof buildConnector>;
  /** Others wait for one of these. */
  readonly maxConnections: number;
  /** Of an idle connection, when the node does not say how long it keeps one. */
  readonly keepAliveMs: number;
  /** However long the node says. */
  readonly maxKeepAliveMs: number;
}

/** Fields and path come out of parsers and tables that let no line end through. */
export interface NodeRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly path: string;
  /** Flat list of names and values. */
  readonly headers: readonly string[];
  readonly body: Buffer | undefined;
}

interface Waiting {
  readonly head: string;
  readonly body: Buffer | undefined;
  readonly answer: Answer;
}

/** A node closes an idle connection a little after it says; a request must not meet that. */
const keepAliveMarginMs = 1_000;

export class NodeLane implements ConnectionOwner {
  readonly outbox = new Outbox();
  private readonly connections = new Set<NodeConnection>();
  /** The one that was used last is the next: the others may grow old. */
  private readonly idle: NodeConnection[] = [];
  private readonly waiting: Waiting[] = [];
  private connecting = 0;
  private isClosed = false;
  private readonly url: URL;

  constructor(
    origin: string,
    private readonly settings: NodeLaneSettings,
  ) {
    this.url = new URL(origin);
  }

  /** The handler's calls come as undici's do, the first of them at once. */
  dispatch({ method, path, headers, body }: NodeRequest, handler: AnswerHandler): void {
    const answer = new Answer(handler, method === 'HEAD');
    handler.onRequestStart(answer);
    if (answer.isOver) return;
    let head = `${method} ${path} HTTP/1.1\r\nhost: ${this.url.host}\r\nconnection: keep-alive\r\n`;
    for (let i = 0; i + 1 < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    head += method === 'POST' ? `content-length: ${body?.length ?? 0}\r\n\r\n` : '\r\n';
    const connection = this.takeIdle();
    if (connection) return connection.send(head, body, answer);
    this.waiting.push({ head, body, answer });
    if (this.connections.size + this.connecting < this.settings.maxConnections) this.open();
  }

  onFree(connection: NodeConnection, keepAliveMs: number | undefined): void {
    const { settings } = this;
    if (this.serveWaiting(connection)) return;
    const hintedMs = keepAliveMs === undefined ? settings.keepAliveMs : keepAliveMs - keepAliveMarginMs;
    if (this.isClosed || hintedMs <= 0) return connection.destroy();
    connection.staleAtMs = performance.now() + Math.min(hintedMs, settings.maxKeepAliveMs);
    this.idle.push(connection);
  }

  onClosed(connection: NodeConnection): void {
    this.connections.delete(connection);
    const at = this.idle.indexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
    if (this.waiting.length > this.connecting) this.open();
  }

  /** Finishes what is under way, and keeps nothing. */
  close(): void {
    this.isClosed = true;
    for (const connection of this.idle.splice(0)) connection.destroy();
  }

  /** Breaks all off. */
  destroy(reason: Error): void {
    this.isClosed = true;
    for (const { answer } of this.waiting.splice(0)) answer.fail(reason);
    for (const connection of this.connections) connection.breakOff(reason);
  }

  private takeIdle(): NodeConnection | undefined {
    const nowMs = performance.now();
    for (let next = this.idle.pop(); next; next = this.idle.pop()) {
      if (next.isUsable && nowMs < next.staleAtMs) return next;
      next.destroy();
    }
    return undefined;
  }

  /** The first that still wants to be served. */
  private serveWaiting(connection: NodeConnection): boolean {
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      if (next.answer.isOver) continue;
      connection.send(next.head, next.body, next.answer);
      return true;
    }
    return false;
  }

  private open(): void {
    const { hostname, host, protocol, port } = this.url;
    this.connecting += 1;
    const bare = hostname.replace(/^\[(.*)\]$/, '$1');
    this.settings.connect({ hostname: bare, host, protocol, port }, (error, socket) => {
      this.connecting -= 1;
      if (error) return this.onNotConnected(error);
      const connection = new NodeConnection(socket, this);
      this.connections.add(connection);
      this.onFree(connection, undefined);
    });
  }

  /** One request pays for it, the oldest; the others have connections of their own on the way, or get one now. */
  private onNotConnected(error: Error): void {
    let next = this.waiting.shift();
    while (next?.answer.isOver) next = this.waiting.shift();
    next?.answer.fail(error);
    if (this.waiting.length > this.connecting) this.open();
  }
}
