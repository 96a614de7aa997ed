/**
 * An upstream on raw TCP. It frames requests itself and strictly, so that what it counts is what was really on the wire: bytes
 * that a proxy lets slip behind a body show up as one more request.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { v7 as uuidv7 } from 'uuid';
import { onCleanUp, portOf } from './gateway-harness.js';

/** Of a body, this much is kept; the rest is only counted. */
const keptBytes = 65_536;

export class RawRequest {
  body = '';
  bodyBytes = 0;
  complete = false;
  constructor(
    /** In lower case, with the request line. */
    readonly head: string,
    readonly socket: Socket,
    /** 1 for the first request of its connection. */
    readonly ofSocket: number,
  ) {}

  /** `get /path` */
  get target(): string {
    return this.head.slice(0, this.head.indexOf(' http/1.1'));
  }

  take(bytes: Buffer): void {
    this.bodyBytes += bytes.length;
    if (this.body.length < keptBytes) this.body += bytes.toString('latin1').slice(0, keptBytes);
  }
}

type Expecting = 'head' | 'body' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer';

/** Cuts one connection into requests (RFC 9112 §6, without any leniency). */
class RequestReader {
  private rest: Buffer = Buffer.alloc(0);
  private left = 0;
  private expecting: Expecting = 'head';
  private current: RawRequest | undefined;
  private count = 0;

  constructor(
    private readonly socket: Socket,
    private readonly onHead: (request: RawRequest) => void,
    private readonly onEnd: (request: RawRequest) => void,
  ) {}

  push(chunk: Buffer): void {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (this.rest.length > 0 && this.step());
  }

  /** False when more bytes are needed. */
  private step(): boolean {
    if (this.expecting === 'body' || this.expecting === 'chunk') return this.stepBody();
    const end = this.expecting === 'head' ? '\r\n\r\n' : '\r\n';
    const at = this.rest.indexOf(end);
    if (at < 0) return false;
    const text = this.rest.toString('latin1', 0, at);
    this.rest = this.rest.subarray(at + end.length);
    this.stepText(text);
    return true;
  }

  private stepText(text: string): void {
    switch (this.expecting) {
      case 'head':
        return this.begin(text);
      case 'chunk-size':
        this.left = Number.parseInt(text, 16);
        this.expecting = this.left === 0 ? 'trailer' : 'chunk';
        return;
      case 'chunk-end':
        this.expecting = 'chunk-size';
        return;
      case 'trailer':
        if (text === '') this.end();
        return;
      case 'body':
      case 'chunk':
    }
  }

  private stepBody(): boolean {
    const bytes = this.rest.subarray(0, this.left);
    this.rest = this.rest.subarray(bytes.length);
    this.left -= bytes.length;
    this.current?.take(bytes);
    if (this.left > 0) return false;
    if (this.expecting === 'chunk') this.expecting = 'chunk-end';
    else this.end();
    return true;
  }

  private begin(text: string): void {
    const head = `${text.toLowerCase()}\r\n`;
    this.current = new RawRequest(head, this.socket, ++this.count);
    this.left = Number(/\r\ncontent-length: (\d+)\r\n/.exec(head)?.[1] ?? 0);
    const isChunked = head.includes('\r\ntransfer-encoding: chunked\r\n');
    this.expecting = isChunked ? 'chunk-size' : 'body';
    this.onHead(this.current);
    if (!isChunked && this.left === 0) this.end();
  }

  private end(): void {
    this.expecting = 'head';
    const request = this.current;
    this.current = undefined;
    if (!request) return;
    request.complete = true;
    this.onEnd(request);
  }
}

export const okAnswer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

export class RawUpstream {
  readonly requests: RawRequest[] = [];
  /** Connections on which a request came and that are gone. */
  closed = 0;
  /** Called when a head is there. */
  onHead: (request: RawRequest) => void = () => undefined;
  /** Called when a request is there completely. */
  onRequest: (request: RawRequest) => void = ({ socket }) => void socket.write(okAnswer);
  private readonly sockets = new Set<Socket>();
  private constructor(readonly port: number) {}

  /** @param aside takes over connections whose first bytes are not for the test */
  static async start(
    aside: (socket: Socket, firstBytes: Buffer) => boolean = () => false,
  ): Promise<RawUpstream> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const upstream = new RawUpstream(portOf(server));
    server.on('connection', (socket) => {
      upstream.sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => upstream.sockets.delete(socket));
      socket.once('data', (first: Buffer) => {
        if (!aside(socket, first)) upstream.adopt(socket, first);
      });
    });
    onCleanUp(async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of upstream.sockets) socket.destroy();
      await closed;
    });
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get replica(): { readonly node_id: string; readonly address: string } {
    return { node_id: uuidv7(), address: this.url };
  }

  /** What arrived completely, as `[target, body]`. */
  get arrived(): (readonly [string, string])[] {
    return this.requests
      .filter(({ complete }) => complete)
      .map(({ target, body }) => [target, body] as const);
  }

  private adopt(socket: Socket, first: Buffer): void {
    const reader = new RequestReader(
      socket,
      (request) => {
        this.requests.push(request);
        this.onHead(request);
      },
      (request) => this.onRequest(request),
    );
    socket.on('close', () => (this.closed += 1));
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    reader.push(first);
  }
}
