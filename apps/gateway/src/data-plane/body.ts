/** The caller's body, as bytes. Small ones are held whole, so that they can be sent a second time; larger ones stream. Nobody looks into a body. */

/** Held: may be sent again. `bytes` is undefined when there is no body. */
export interface HeldBody {
  readonly kind: 'held';
  readonly bytes: Buffer | undefined;
}

/** Streamed: can be sent once, and again only while nothing of it was taken. */
export interface StreamedBody {
  readonly kind: 'streamed';
  /** As the caller framed it; undefined for a chunked body. */
  readonly contentLength: string | undefined;
  taken: boolean;
  /** Bytes that went by. */
  size: number;
  chunks(): AsyncGenerator<Buffer, void, undefined>;
}

export type Body = HeldBody | StreamedBody;

export interface BodyLimits {
  /** Bodies up to this size are held. */
  readonly holdBytes: number;
  readonly maxBodyBytes: number;
}

/** How much of the body there was, as far as it is known. */
export const sizeOf = (body: Body | undefined): number =>
  body === undefined ? 0 : body.kind === 'held' ? (body.bytes?.length ?? 0) : body.size;

/** A chunked body grew beyond the limit while it streamed. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError';
}
