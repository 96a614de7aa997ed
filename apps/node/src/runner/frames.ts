/**
 * The framing between front and runner: u32 length of what follows, u32 request id, u8 kind, payload (little-endian).
 * Reading hands out views of what arrived; writing gathers all frames of one event-loop turn into one system call.
 */
import type { Writable } from 'node:stream';

export interface Frame {
  readonly id: number;
  readonly kind: number;
  /** A view of the received chunk, which Node never uses again: it may be kept. */
  readonly payload: Buffer;
}

const lengthBytes = 4;
/** Request id and kind. */
const headBytes = 5;
const prefixBytes = lengthBytes + headBytes;
/** A frame of this length or more is a broken peer: no body or answer gets near it. */
const maxFrameBytes = 2 ** 31 - 1;
/** Payloads up to this are copied next to their header; larger ones are written as they are. */
const copyBelowBytes = 32_768;

/** Cuts a byte stream into frames. @throws RangeError on a length that no peer sends */
export class FrameReader {
  /** An incomplete frame: grown once to its full size when that is known. */
  private partial: Buffer | undefined;
  private filled = 0;

  /** Calls `onFrame` for each frame that `chunk` completes. */
  push(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    let offset = this.partial ? this.resume(chunk, onFrame) : 0;
    while (chunk.length - offset >= lengthBytes) {
      const size = frameSize(chunk, offset);
      if (chunk.length - offset < size) break;
      onFrame(frameOf(chunk, offset, size));
      offset += size;
    }
    if (offset < chunk.length) this.keep(chunk, offset);
  }

  private keep(chunk: Buffer, offset: number): void {
    const rest = chunk.length - offset;
    const size = rest >= lengthBytes ? frameSize(chunk, offset) : prefixBytes;
    this.partial = Buffer.allocUnsafeSlow(size);
    this.filled = chunk.copy(this.partial, 0, offset);
  }

  /** Fills the incomplete frame and returns how much of `chunk` that took. */
  private resume(chunk: Buffer, onFrame: (frame: Frame) => void): number {
    let partial = this.partial ?? Buffer.alloc(0);
    let offset = 0;
    if (this.filled < lengthBytes) {
      offset = chunk.copy(partial, this.filled, 0, lengthBytes - this.filled);
      this.filled += offset;
      if (this.filled < lengthBytes) return offset;
      const whole = Buffer.allocUnsafeSlow(frameSize(partial, 0));
      partial.copy(whole, 0, 0, lengthBytes);
      this.partial = partial = whole;
    }
    const taken = chunk.copy(partial, this.filled, offset);
    this.filled += taken;
    if (this.filled === partial.length) {
      this.partial = undefined;
      this.filled = 0;
      onFrame(frameOf(partial, 0, partial.length));
    }
    return offset + taken;
  }
}

function frameSize(bytes: Buffer, offset: number): number {
  const length = bytes.readUInt32LE(offset);
  if (length < headBytes || length > maxFrameBytes) throw new RangeError(`a frame of ${length} bytes`);
  return length + lengthBytes;
}

const frameOf = (bytes: Buffer, offset: number, size: number): Frame => ({
  id: bytes.readUInt32LE(offset + 4),
  kind: bytes.readUInt8(offset + 8),
  payload: bytes.subarray(offset + prefixBytes, offset + size),
});

interface Outgoing {
  readonly id: number;
  readonly kind: number;
  readonly parts: readonly Buffer[];
  readonly bytes: number;
}

/** Writes frames to a stream, one flush per event-loop turn. */
export class FrameWriter {
  private waiting: Outgoing[] = [];
  private flushing = false;
  private readonly flushLater = (): void => this.flush();

  constructor(private readonly stream: Writable) {}

  send(id: number, kind: number, ...parts: readonly Buffer[]): void {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    this.waiting.push({ id, kind, parts, bytes });
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(this.flushLater);
  }

  /** Writes now what waits. */
  flush(): void {
    this.flushing = false;
    const frames = this.waiting;
    if (frames.length === 0 || this.stream.destroyed) return;
    this.waiting = [];
    const chunks = gather(frames);
    if (chunks.length > 1) this.stream.cork();
    for (const chunk of chunks) this.stream.write(chunk);
    if (chunks.length > 1) this.stream.uncork();
  }
}

/** Headers and small payloads side by side in few buffers, large payloads uncopied between them. */
function gather(frames: readonly Outgoing[]): Buffer[] {
  let smallBytes = 0;
  for (const { bytes } of frames) smallBytes += prefixBytes + (bytes < copyBelowBytes ? bytes : 0);
  const small = Buffer.allocUnsafe(smallBytes);
  const chunks: Buffer[] = [];
  let start = 0;
  let end = 0;
  for (const { id, kind, parts, bytes } of frames) {
    small.writeUInt32LE(headBytes + bytes, end);
    small.writeUInt32LE(id, end + 4);
    small.writeUInt8(kind, end + 8);
    end += prefixBytes;
    if (bytes < copyBelowBytes) for (const part of parts) end += part.copy(small, end);
    else {
      chunks.push(small.subarray(start, end), ...parts);
      start = end;
    }
  }
  if (end > start) chunks.push(small.subarray(start, end));
  return chunks;
}
