/**
 * The tus protocol (1.0) at /api/v1/uploads, by @tus/server. Owns the way between Fastify and that library: who may, bodies
 * as streams, and answers of failures in our form. An upload belongs to the client that began it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ByteLengthQueuingStrategy } from 'node:stream/web';
import { Readable } from 'node:stream';
import type { ErrorCode } from '#contracts/errors';
import type { HttpMethod, RouteSpec } from '#contracts/route';
import { UploadMetadata } from '#contracts/uploads';
import { UploadEntity } from '#database/entities/upload.entity';
import { Transactions } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { ERRORS, MemoryLocker, Server } from '@tus/server';
import type { Upload } from '@tus/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { authorize } from '../http/access.guard.js';
import type { Caller } from '../http/caller.js';
import { findModel, requireUnarchived } from '../models/model-lookup.js';
import { openBody } from '../versions/request-body.js';
import { TusDataStore } from './tus-data-store.js';
import { UploadBytes } from './upload-bytes.js';
import { requireOwn } from './upload-owner.js';
import { findUpload, uploadNotFound } from './upload-rows.js';
import { toUpload } from './uploads.mapper.js';

const root = '/api/v1/uploads';
const bufferedBytes = 256 * 1_024;
/** How long a connection that hangs may go on once its sender has come back on another. */
const lockDrainMs = 500;

/** What the library refuses by itself, by its status. */
const refusals: Readonly<Record<number, ErrorCode>> = {
  404: 'UPLOAD_NOT_FOUND',
  409: 'UPLOAD_CONFLICT',
  410: 'UPLOAD_EXPIRED',
  412: 'PRECONDITION_FAILED',
  413: 'PAYLOAD_TOO_LARGE',
  501: 'NOT_SUPPORTED',
};

@Injectable()
export class TusServer {
  readonly #server: Server;
  /** Whose request the library is serving. */
  readonly #caller = new AsyncLocalStorage<Caller>();
  /** Our own errors, which the library only passes through. */
  readonly #errors = new WeakMap<object, unknown>();

  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly bytes: UploadBytes,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {
    this.#server = new Server({
      path: root,
      // The address under which the caller knows us is the caller's to say.
      relativeLocation: true,
      maxSize: config.SLUICE_MAX_UPLOAD_BYTES,
      datastore: new TusDataStore(dataSource, bytes, config.SLUICE_UPLOAD_TTL_S, (id) => this.#discard(id)),
      // Of this process: writers at different registries are kept apart by the rows.
      locker: new MemoryLocker(),
      lockDrainTimeout: lockDrainMs,
      namingFunction: () => uuidv7(),
      onUploadCreate: (_request, upload) => this.#create(upload),
      onUploadFinish: async (_request, { id }) => {
        await this.bytes.finish(id);
        return {};
      },
      onResponseError: (request, error) => {
        this.#errors.set(request, error);
        return undefined;
      },
    });
  }

  /** Must run after the hooks of the server are set, and before the route table: its GET would take the HEAD as well. */
  serve(fastify: FastifyInstance): void {
    for (const method of ['POST', 'OPTIONS']) this.#addRoute(fastify, method, root);
    for (const method of ['HEAD', 'PATCH', 'DELETE', 'OPTIONS'])
      this.#addRoute(fastify, method, `${root}/:upload_id`);
  }

  #addRoute(fastify: FastifyInstance, method: string, url: string): void {
    const spec: RouteSpec = {
      method: method as HttpMethod,
      path: url,
      summary: 'tus',
      access: 'models:write',
      bodyMedia: 'upload',
      status: 200,
    };
    fastify.route({
      method,
      url,
      config: { spec },
      handler: (request, reply) => {
        authorize(spec, request.caller, {});
        if (request.caller === undefined) throw new SluiceError('UNAUTHENTICATED', 'Send a token.');
        return this.#handle(request, reply, request.caller);
      },
    });
  }

  async #handle(request: FastifyRequest, reply: FastifyReply, caller: Caller): Promise<FastifyReply> {
    const id = (request.params as { upload_id?: string }).upload_id;
    if (id !== undefined && request.method !== 'OPTIONS')
      requireOwn(await findUpload(this.dataSource.manager, id), caller);
    const takesBody = request.method === 'POST' || request.method === 'PATCH';
    const body = takesBody ? openBody(request.raw) : undefined;
    try {
      const asked = toWebRequest(request, body);
      const answer = await this.#caller.run(caller, () => this.#server.handleWeb(asked));
      if (answer.status >= 400) throw refusal(this.#errors.get(asked), answer.status, await answer.text());
      return await reply.code(answer.status).headers(tusHeaders(answer)).send();
    } finally {
      body?.destroy();
    }
  }

  /** The last look at what is announced, before the first byte. */
  async #create(upload: Upload): Promise<object> {
    const caller = this.#callerOfNow();
    const metadata = parseMetadata(upload.metadata);
    const sizeBytes = upload.size ?? 0;
    if (sizeBytes === 0) throw new SluiceError('INVALID_REQUEST', 'An empty file cannot be uploaded.');
    if (metadata.model !== undefined)
      requireUnarchived(await findModel(this.dataSource.manager, metadata.model));
    const now = Date.now();
    const row: UploadEntity = {
      id: upload.id,
      filename: metadata.filename ?? null,
      size_bytes: sizeBytes,
      received_bytes: 0,
      expected_sha256: metadata.sha256 ?? null,
      artifact_sha256: null,
      version_id: null,
      expires_at: new Date(now + this.config.SLUICE_UPLOAD_TTL_S * 1_000),
      created_at: new Date(now),
      created_by: caller.subject,
    };
    await this.transactions.write(caller, async (tx) => {
      await tx.manager.insert(UploadEntity, row);
      await tx.audit({ action: 'upload.create', subject: `uploads/${row.id}`, after: toUpload(row) });
    });
    return {};
  }

  async #discard(id: string): Promise<void> {
    await this.transactions.write(this.#callerOfNow(), async (tx) => {
      const row = await findUpload(tx.manager, id);
      const { affected } = await tx.manager.delete(UploadEntity, { id });
      if (affected !== 1) throw uploadNotFound(id);
      await tx.audit({ action: 'upload.delete', subject: `uploads/${id}`, before: toUpload(row) });
    });
    await this.bytes.discard(id);
  }

  #callerOfNow(): Caller {
    const caller = this.#caller.getStore();
    if (caller === undefined) throw new Error('a request of tus without a caller');
    return caller;
  }
}

function toWebRequest(request: FastifyRequest, body: Readable | undefined): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined) headers.set(name, String(value));
  // Without the strategy it would hold thousands of chunks, whatever their size.
  const strategy = new ByteLengthQueuingStrategy({ highWaterMark: bufferedBytes });
  const stream = body && (Readable.toWeb(body, { strategy }) as ReadableStream);
  const withBody = stream ? ({ body: stream, duplex: 'half' } as const) : {};
  return new Request(new URL(request.url, 'http://registry'), {
    method: request.method,
    headers,
    ...withBody,
  });
}

/** The protocol's own fields; those of browsers' cross-origin requests are for the gateway to decide on. */
function tusHeaders(answer: Response): Record<string, string> {
  const names = ['location', 'tus-resumable', 'tus-version', 'tus-extension', 'tus-max-size'];
  const wanted = [...answer.headers].filter(([name]) => names.includes(name) || name.startsWith('upload-'));
  return Object.fromEntries(wanted);
}

function refusal(error: unknown, status: number, text: string): unknown {
  if (error instanceof Error) return error;
  // The sender fell silent, or went on in another request: what came is kept.
  if (text === ERRORS.ABORTED.body)
    return new SluiceError('UPLOAD_CONFLICT', 'The upload was broken off. Ask for its offset and go on.');
  const code = refusals[status] ?? (status >= 500 ? 'INTERNAL' : 'INVALID_REQUEST');
  return new SluiceError(code, `The upload was refused: ${text.trim()}.`);
}

function parseMetadata(metadata: Upload['metadata']): ReturnType<typeof UploadMetadata.parse> {
  const given = Object.entries(metadata ?? {}).filter(([, value]) => value !== null);
  const result = UploadMetadata.safeParse(Object.fromEntries(given));
  if (result.success) return result.data;
  const fields = result.error.issues.map((issue) => ({
    path: ['Upload-Metadata', ...issue.path.map(String)].join('.'),
    message: issue.message,
  }));
  throw new SluiceError('INVALID_REQUEST', `${fields[0]?.path ?? ''}: ${fields[0]?.message ?? ''}`, {
    fields,
  });
}
