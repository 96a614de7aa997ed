/** Files of many GB that nobody has to keep: their bytes are made when they are sent, and made again when they are resumed. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const chunkBytes = 256 * 1_024;
const pattern = createHash('sha512').update('sluice').digest();

/** Bytes `from` to `sizeBytes`; every chunk differs, and each byte depends on its place alone. */
export function* generated(sizeBytes: number, from = 0): Generator<Buffer> {
  for (let at = from; at < sizeBytes;) {
    const number = Math.floor(at / chunkBytes);
    const chunk = Buffer.alloc(chunkBytes, pattern);
    chunk.writeUInt32LE(number, 0);
    const skip = at - number * chunkBytes;
    const end = Math.min(chunkBytes, sizeBytes - number * chunkBytes);
    yield chunk.subarray(skip, end);
    at += end - skip;
  }
}

export function sha256OfGenerated(sizeBytes: number): string {
  const hash = createHash('sha256');
  for (const chunk of generated(sizeBytes)) hash.update(chunk);
  return hash.digest('hex');
}

export class TusSender {
  constructor(
    private readonly baseUrl: string,
    private readonly token: () => Promise<string>,
  ) {}

  /** Begins an upload and gives its path. */
  async begin(sizeBytes: number, sha256: string): Promise<string> {
    const metadata = `sha256 ${Buffer.from(sha256).toString('base64')}`;
    const fields = { 'upload-length': String(sizeBytes), 'upload-metadata': metadata };
    const { headers } = await this.ask('POST', '/api/v1/uploads', fields, 201);
    return headers.get('location') ?? '';
  }

  async offsetOf(path: string): Promise<number> {
    return Number((await this.ask('HEAD', path, {}, 200)).headers.get('upload-offset'));
  }

  /** Sends all that is missing; `watch` sees how much has been handed over, and may destroy the request. */
  async send(
    path: string,
    sizeBytes: number,
    offset: number,
    watch: (sentBytes: number, sent: ClientRequest) => void = () => undefined,
  ): Promise<number> {
    const headers = {
      ...(await this.headers()),
      'upload-offset': offset,
      'content-type': 'application/offset+octet-stream',
      'content-length': sizeBytes - offset,
    };
    const sent = httpRequest(new URL(path, this.baseUrl), { method: 'PATCH', headers });
    const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
    const body = async function* () {
      let at = offset;
      for (const chunk of generated(sizeBytes, offset)) {
        yield chunk;
        at += chunk.length;
        watch(at, sent);
      }
    };
    const [[answer]] = await Promise.all([answered, pipeline(Readable.from(body()), sent)]);
    answer.resume();
    return answer.statusCode ?? 0;
  }

  /** Sends a small file in one go. */
  async sendBytes(bytes: Uint8Array): Promise<string> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const path = await this.begin(bytes.length, sha256);
    const fields = { 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' };
    await this.ask('PATCH', path, fields, 204, bytes);
    return path;
  }

  private async headers(): Promise<Record<string, string>> {
    return { authorization: `Bearer ${await this.token()}`, 'tus-resumable': '1.0.0' };
  }

  private async ask(
    method: string,
    path: string,
    fields: Record<string, string>,
    status: number,
    bytes?: Uint8Array,
  ): Promise<Response> {
    const headers = { ...(await this.headers()), ...fields };
    const body = bytes ? { body: new Uint8Array(bytes) } : {};
    const response = await fetch(new URL(path, this.baseUrl), { method, headers, ...body });
    if (response.status !== status)
      throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  }
}

/** Resident bytes of a process of this machine. */
export function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}
