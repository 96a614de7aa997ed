/**
 * One connection in the fast lane: cuts bytes into requests, serves one at a time in the order in which they came, and hands the
 * connection over to node:http at the first one that is not plain, before a byte of it has been acted on.
 */
import type { Socket } from 'node:net';
import type { Outbox } from '../outbox.js';
import { parseRoute } from '../routes.js';
import type { InferenceRoute } from '../routes.js';
import { lingerMs } from '../http-lane.js';
import { readHead } from './head.js';
import type { PlainHead } from './head.js';
import { FastRequest } from './request.js';
import { FastResponse } from './response.js';

export interface Lane {
  readonly headersTimeoutMs: number;
  readonly keepAliveMs: number;
  /** As a line of the head. */
  readonly keepAliveField: string;
  /** Larger bodies are none of this lane's. */
  readonly holdBytes: number;
  /** Of its last look at the clock, which is good enough for idle connections. */
  readonly nowMs: number;
  readonly outbox: Outbox;
  serve(request: FastRequest, response: FastResponse, route: InferenceRoute): void;
  handOver(socket: Socket): void;
  forget(connection: FastConnection): void;
}

/** Requests that wait behind the one that is served, in bytes; then the caller is made to wait. */
const maxWaitingBytes = 65_536;
const nothing: Buffer = Buffer.alloc(0);
const timedOut = 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n';
const cutOff = 'HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n';

export class FastConnection {
  private rest = nothing;
  private request: FastRequest | undefined;
  private response: FastResponse | undefined;
  private lingering: NodeJS.Timeout | undefined;
  /** Since when it waits for the end of a head; 0 while it does not. */
  private headSinceMs = performance.now();
  private idleSinceMs = 0;
  /** The caller sends nothing more. */
  private hasEnded = false;

  constructor(
    private readonly socket: Socket,
    private readonly lane: Lane,
  ) {
    socket.on('data', this.onData).on('end', this.onEnd).on('error', this.onError).on('close', this.onClosed);
  }

  /** Has been served, and asks for nothing now. */
  get isIdle(): boolean {
    return this.idleSinceMs > 0;
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Ends what has been waiting for too long. */
  sweep(nowMs: number): void {
    const { headersTimeoutMs, keepAliveMs } = this.lane;
    if (this.headSinceMs > 0 && nowMs - this.headSinceMs >= headersTimeoutMs) this.part(timedOut);
    else if (this.isIdle && nowMs - this.idleSinceMs >= keepAliveMs) this.socket.destroySoon();
  }

  private readonly onData = (chunk: Buffer): void => {
    const unread = this.request ? this.request.take(chunk) : chunk;
    if (unread.length > 0) this.rest = this.rest.length === 0 ? unread : Buffer.concat([this.rest, unread]);
    if (this.request) this.settle();
    else this.next();
  };

  private readonly onEnd = (): void => {
    this.hasEnded = true;
    // Who closes while it is being served does not want the answer any more.
    if (this.response?.isEnded === false || this.request?.complete === false) this.socket.destroy();
    else if (!this.response) this.leave();
  };

  private readonly onError = (): void => {
    this.socket.destroy();
  };

  private readonly onClosed = (): void => {
    clearTimeout(this.lingering);
    this.lane.forget(this);
    this.response?.close(false);
  };

  private readonly onFlushed = (): void => {
    if (this.socket.destroyed || !this.response) return;
    this.response.close(true);
    this.settle();
  };

  private readonly startLinger = (): void => {
    if (!this.socket.destroyed) this.lingering = setTimeout(() => this.socket.destroy(), lingerMs);
  };

  /** Goes on with the next request when this one is over: its body read, its answer sent. */
  private settle(): void {
    const { request, response, socket } = this;
    if (!request?.complete || response?.writableFinished !== true) {
      if (this.rest.length > maxWaitingBytes) socket.pause();
      return;
    }
    clearTimeout(this.lingering);
    this.request = undefined;
    this.response = undefined;
    if (response.isLast) return socket.destroySoon();
    if (socket.isPaused()) socket.resume();
    this.idleSinceMs = this.lane.nowMs;
    if (this.rest.length > 0) this.next();
    else if (this.hasEnded) this.leave();
  }

  private next(): void {
    const head = readHead(this.rest);
    this.idleSinceMs = 0;
    if (head === 'incomplete') {
      if (this.headSinceMs === 0) this.headSinceMs = performance.now();
      if (this.hasEnded) this.leave();
      return;
    }
    if (head === 'not plain' || head.contentLength > this.lane.holdBytes) return this.handOver();
    const route = parseRoute(head.target);
    if (route.kind === 'inference') this.begin(head, route.route);
    else this.handOver();
  }

  private begin(head: PlainHead, route: InferenceRoute): void {
    this.headSinceMs = 0;
    const request = new FastRequest(head, this.startLinger);
    const { keepAliveField, outbox } = this.lane;
    const response = new FastResponse(this.socket, head.isLast, keepAliveField, outbox, this.onFlushed);
    this.request = request;
    this.response = response;
    this.rest = request.take(this.rest.subarray(head.byteLength));
    this.lane.serve(request, response, route);
    if (this.hasEnded && !response.isEnded) this.socket.destroy();
  }

  private handOver(): void {
    const { socket, rest } = this;
    if (this.hasEnded) return this.leave();
    socket
      .off('data', this.onData)
      .off('end', this.onEnd)
      .off('error', this.onError)
      .off('close', this.onClosed);
    this.lane.forget(this);
    if (rest.length > 0) socket.unshift(rest);
    this.lane.handOver(socket);
  }

  /** Follows a caller that has closed its side. */
  private leave(): void {
    if (this.rest.length > 0) this.part(cutOff);
    else this.socket.destroySoon();
  }

  /** Says why and goes. */
  private part(answer: string): void {
    this.headSinceMs = 0;
    this.socket.write(answer);
    this.socket.destroySoon();
  }
}
