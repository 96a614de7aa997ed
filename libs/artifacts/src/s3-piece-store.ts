/** PieceStore in a bucket: `uploads/<upload>/<piece>`, beside the artifacts. */
import { Readable } from 'node:stream';
import type { PieceStore } from './artifact-store.js';
import type { S3Client } from './s3-client.js';
import { inParts, putParts } from './s3-parts.js';

const root = 'uploads/';
const keyOf = (upload: string, piece: string): string => `${root}${upload}/${piece}`;

export class S3PieceStore implements PieceStore {
  constructor(private readonly s3: S3Client) {}

  write(upload: string, piece: string, source: Readable): Promise<number> {
    return putParts(this.s3, keyOf(upload, piece), inParts(source as AsyncIterable<Buffer>));
  }

  async open(upload: string, piece: string): Promise<Readable> {
    const answer = await this.s3.get(keyOf(upload, piece));
    if (!answer?.body) throw new Error(`the piece ${piece} of upload ${upload} is not there`);
    return Readable.fromWeb(answer.body);
  }

  remove(upload: string, piece: string): Promise<void> {
    return this.s3.remove(keyOf(upload, piece));
  }

  async removeAll(upload: string): Promise<void> {
    for await (const { key } of this.s3.list(`${root}${upload}/`)) await this.s3.remove(key);
  }

  async list(): Promise<string[]> {
    const uploads = new Set<string>();
    for await (const { key } of this.s3.list(root))
      uploads.add(key.slice(root.length).split('/', 1)[0] ?? '');
    return [...uploads];
  }
}
