/**
 * The few calls of S3's REST that an object store of ours needs, signed by aws4fetch, which also repeats what answers 429 or
 * 5xx. Addresses are path-style, which every compatible server takes. Every body is held and goes with its SHA-256, so the
 * server refuses bytes that changed on the way.
 */
import { createHash } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
import type { ByteRange } from './artifact-store.js';

export interface S3Settings {
  /** `https://s3.eu-central-1.amazonaws.com`, or a compatible server's. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface S3Object {
  readonly key: string;
  readonly modifiedMs: number;
}

export interface MultipartUpload {
  readonly key: string;
  readonly id: string;
}

interface Call {
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer<ArrayBuffer>;
}

/** The server refused, in its words. */
export class S3Error extends Error {
  override readonly name = 'S3Error';
}

export class S3Client {
  readonly #aws: AwsClient;
  readonly #root: string;

  constructor(private readonly settings: S3Settings) {
    const { accessKeyId, secretAccessKey, region } = settings;
    this.#aws = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', retries: 5 });
    this.#root = `${settings.endpoint.replace(/\/+$/, '')}/${settings.bucket}`;
  }

  async put(key: string, body: Buffer<ArrayBuffer>): Promise<void> {
    await this.#text('PUT', key, { body });
  }

  /** Undefined: there is no such object. */
  async get(key: string, range?: ByteRange): Promise<Response | undefined> {
    const headers = range ? { range: `bytes=${range.start}-${range.end}` } : {};
    return this.#found('GET', key, { headers });
  }

  /** Bytes of an object; undefined when there is none. */
  async size(key: string): Promise<number | undefined> {
    const answer = await this.#found('HEAD', key);
    return answer && Number(answer.headers.get('content-length'));
  }

  async remove(key: string): Promise<void> {
    await (await this.#found('DELETE', key))?.arrayBuffer();
  }

  async copy(from: string, to: string): Promise<void> {
    await this.#text('PUT', to, { headers: this.#source(from) });
  }

  async *list(prefix: string): AsyncGenerator<S3Object> {
    let token: string | undefined;
    do {
      const query = {
        'list-type': '2',
        prefix,
        ...(token === undefined ? {} : { 'continuation-token': token }),
      };
      const page = await this.#text('GET', '', { query });
      for (const contents of elements(page, 'Contents'))
        yield {
          key: element(contents, 'Key') ?? '',
          modifiedMs: Date.parse(element(contents, 'LastModified') ?? ''),
        };
      token = element(page, 'NextContinuationToken');
    } while (token !== undefined);
  }

  async beginMultipart(key: string): Promise<MultipartUpload> {
    const id = element(await this.#text('POST', key, { query: { uploads: '' } }), 'UploadId');
    if (id === undefined) throw new S3Error(`no upload was begun for ${key}`);
    return { key, id };
  }

  /** @returns the part's ETag */
  async putPart({ key, id }: MultipartUpload, part: number, body: Buffer<ArrayBuffer>): Promise<string> {
    const answer = await this.#call('PUT', key, { query: { partNumber: String(part), uploadId: id }, body });
    await answer.arrayBuffer();
    return answer.headers.get('etag') ?? '';
  }

  /** Makes a part of another object's bytes, inside the server. */
  async copyPart(
    { key, id }: MultipartUpload,
    part: number,
    from: string,
    range: ByteRange,
  ): Promise<string> {
    const headers = { ...this.#source(from), 'x-amz-copy-source-range': `bytes=${range.start}-${range.end}` };
    const query = { partNumber: String(part), uploadId: id };
    return element(await this.#text('PUT', key, { query, headers }), 'ETag') ?? '';
  }

  async completeMultipart({ key, id }: MultipartUpload, etags: readonly string[]): Promise<void> {
    const parts = etags.map(
      (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
    );
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`);
    await this.#text('POST', key, { query: { uploadId: id }, body });
  }

  async abortMultipart({ key, id }: MultipartUpload): Promise<void> {
    await (await this.#found('DELETE', key, { query: { uploadId: id } }))?.arrayBuffer();
  }

  /** Unfinished uploads that were begun before a time. */
  async staleMultiparts(prefix: string, beforeMs: number): Promise<MultipartUpload[]> {
    const page = await this.#text('GET', '', { query: { uploads: '', prefix } });
    return elements(page, 'Upload')
      .filter((upload) => Date.parse(element(upload, 'Initiated') ?? '') < beforeMs)
      .map((upload) => ({ key: element(upload, 'Key') ?? '', id: element(upload, 'UploadId') ?? '' }));
  }

  #source(key: string): Record<string, string> {
    return { 'x-amz-copy-source': `/${this.settings.bucket}/${key}` };
  }

  /** An answer in XML; some servers report a failure with status 200. */
  async #text(method: string, key: string, call: Call = {}): Promise<string> {
    const text = await (await this.#call(method, key, call)).text();
    if (/<Error>/.test(text)) throw failure(method, key, 200, text);
    return text;
  }

  async #found(method: string, key: string, call: Call = {}): Promise<Response | undefined> {
    const answer = await this.#send(method, key, call);
    if (answer.ok) return answer;
    const text = await answer.text();
    if (answer.status === 404) return undefined;
    throw failure(method, key, answer.status, text);
  }

  async #call(method: string, key: string, call: Call): Promise<Response> {
    const answer = await this.#send(method, key, call);
    if (answer.ok) return answer;
    throw failure(method, key, answer.status, await answer.text());
  }

  #send(method: string, key: string, { query = {}, headers = {}, body }: Call): Promise<Response> {
    const url = new URL(key === '' ? this.#root : `${this.#root}/${key}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const digest = createHash('sha256')
      .update(body ?? '')
      .digest('hex');
    const sent = { ...headers, 'x-amz-content-sha256': digest };
    return this.#aws.fetch(url, { method, headers: sent, ...(body ? { body } : {}) });
  }
}

const failure = (method: string, key: string, status: number, text: string): S3Error =>
  new S3Error(
    `S3 answered ${status} to ${method} ${key}: ${element(text, 'Code') ?? ''} ${element(text, 'Message') ?? ''}`.trim(),
  );

/** The texts between the tags of a name. S3's answers have neither attributes on these nor elements of one name inside another. */
const elements = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'))].map((match) => unescapeXml(match[1] ?? ''));

const element = (xml: string, name: string): string | undefined => elements(xml, name)[0];

const entities: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  amp: '&',
  '#34': '"',
};
const unescapeXml = (text: string): string =>
  text.replaceAll(/&(lt|gt|quot|apos|amp|#34);/g, (_, name: string) => entities[name] ?? '');
const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
