/** The fast lane before a server of node:http: gets each new connection first, and keeps it for as long as its requests are plain. */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Outbox } from '../outbox.js';
import type { InferenceRoute } from '../routes.js';
import { FastConnection } from './connection.js';
import type { Lane } from './connection.js';
import type { FastRequest } from './request.js';
import type { FastResponse } from './response.js';

export interface FastLaneSettings {
  readonly headersTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly sweepEveryMs: number;
  readonly holdBytes: number;
}

export type ServeFast = (request: FastRequest, response: FastResponse, route: InferenceRoute) => void;

export class FastLane implements Lane {
  readonly headersTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly keepAliveField: string;
  readonly holdBytes: number;
  nowMs = performance.now();
  readonly outbox = new Outbox();
  private readonly connections = new Set<FastConnection>();
  private readonly sweeping: NodeJS.Timeout;

  /** @param toHttp what the server does with a connection that is not for this lane */
  constructor(
    settings: FastLaneSettings,
    readonly serve: ServeFast,
    private readonly toHttp: (socket: Socket) => void,
  ) {
    this.headersTimeoutMs = settings.headersTimeoutMs;
    this.keepAliveMs = settings.keepAliveMs;
    this.holdBytes = settings.holdBytes;
    this.keepAliveField = `connection: keep-alive\r\nkeep-alive: timeout=${Math.floor(settings.keepAliveMs / 1_000)}\r\n`;
    this.sweeping = setInterval(() => this.sweep(), settings.sweepEveryMs).unref();
  }

  take(socket: Socket): void {
    this.connections.add(new FastConnection(socket, this));
  }

  handOver(socket: Socket): void {
    this.toHttp(socket);
  }

  forget(connection: FastConnection): void {
    this.connections.delete(connection);
  }

  /** Closes those that have been served and ask for nothing. */
  closeIdle(): void {
    for (const connection of this.connections) if (connection.isIdle) connection.destroy();
  }

  /** Breaks all off. */
  close(): void {
    clearInterval(this.sweeping);
    for (const connection of this.connections) connection.destroy();
  }

  private sweep(): void {
    this.nowMs = performance.now();
    for (const connection of this.connections) connection.sweep(this.nowMs);
  }
}

/** Puts a fast lane before the server, whose own way of taking connections stays as it is. */
export function openFastLane(server: Server, settings: FastLaneSettings, serve: ServeFast): FastLane {
  // A server with TLS has decrypted connections to take.
  const event = 'setSecureContext' in server ? 'secureConnection' : 'connection';
  const listeners = server.listeners(event);
  const lane = new FastLane(settings, serve, (socket) => {
    for (const listener of listeners) listener.call(server, socket);
  });
  server.removeAllListeners(event).on(event, (socket: Socket) => lane.take(socket));
  return lane;
}
