/** MLflow's artifacts on the server: raw bytes up and down, lists, uploads in parts, and the links that its pages and other clients use. */
import type { HttpMethod } from '#contracts/route';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { sendArtifact } from '../artifacts/send-artifact.js';
import { VerifiedArtifacts } from '../artifacts/verified-artifacts.js';
import type { Caller } from '../http/caller.js';
import { addOpenRoute, addRoute, apiRoot, fieldsOf } from './add-route.js';
import type { Handler } from './add-route.js';
import { Int64, runFields, runIdOf } from './fields.js';
import { MlflowFiles } from './mlflow-files.js';
import { MlflowUploads } from './mlflow-uploads.js';
import { parseFields } from './operation.js';
import { runArtifactRoot } from './run-rows.js';
import { RunOperations } from './runs.operations.js';
import { VersionOperations } from './versions.operations.js';

const artifactsRoot = '/api/2.0/mlflow-artifacts';
const Link = z.object({ path: z.string().max(2_000).default('') });
const RunLink = Link.extend(runFields);
const VersionLink = Link.extend({ name: z.string().max(1_000), version: Int64 });

@Injectable()
export class ArtifactRoutes {
  constructor(
    private readonly files: MlflowFiles,
    private readonly uploads: MlflowUploads,
    private readonly runs: RunOperations,
    private readonly versions: VersionOperations,
    private readonly artifacts: VerifiedArtifacts,
  ) {}

  serve(fastify: FastifyInstance): void {
    this.#serveUploads(fastify);
    this.#serveLists(fastify);
    fastify.register(async (scope) => {
      // A client may announce any type for the bytes of a file, also JSON; none of them is parsed.
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
      this.#serveBytes(scope);
    });
  }

  #serveBytes(fastify: FastifyInstance): void {
    const file = `${artifactsRoot}/artifacts/*`;
    add(fastify, 'GET', file, (request, reply, caller) =>
      this.#send(pathOf(request), request, reply, caller),
    );
    add(fastify, 'PUT', file, async (request, _reply, caller) => {
      await this.files.put(pathOf(request), request.raw, caller);
      return {};
    });
    add(fastify, 'DELETE', file, async (request, _reply, caller) => {
      await this.files.remove(pathOf(request), caller);
      return {};
    });
    // The address itself is the permission: the client sends its token to no other.
    addOpenRoute(fastify, 'PUT', `${artifactsRoot}/mpu/parts/{upload}/{number}`, async (request, reply) => {
      const { upload, number } = request.params as { upload: string; number: string };
      const { secret } = request.query as { secret?: unknown };
      const digest = await this.uploads.putPart(upload, Number(number), String(secret), request.raw);
      void reply.header('etag', `"${digest}"`);
      return {};
    });
  }

  #serveUploads(fastify: FastifyInstance): void {
    const partsUrl = (request: FastifyRequest): string => `${originOf(request)}${artifactsRoot}/mpu/parts`;
    add(fastify, 'POST', `${artifactsRoot}/mpu/create/*`, (request, _reply, caller) =>
      this.uploads.create(pathOf(request), fieldsOf(request), partsUrl(request), caller),
    );
    add(fastify, 'POST', `${artifactsRoot}/mpu/complete/*`, async (request, _reply, caller) => {
      await this.uploads.complete(pathOf(request), fieldsOf(request), caller);
      return {};
    });
    add(fastify, 'POST', `${artifactsRoot}/mpu/abort/*`, async (request, _reply, caller) => {
      await this.uploads.abort(pathOf(request), fieldsOf(request), caller);
      return {};
    });
    // Upon this answer clients go through the server.
    const presigned = [
      ['GET', `${artifactsRoot}/presigned/*`],
      ['POST', `${apiRoot}/artifacts/presigned-upload-url`],
      ['POST', `${apiRoot}/artifacts/presigned-download-url`],
    ] as const;
    for (const [method, path] of presigned)
      add(fastify, method, path, async () => {
        throw new SluiceError(
          'NOT_SUPPORTED',
          'Presigned addresses are not given: artifacts go through the server.',
        );
      });
  }

  #serveLists(fastify: FastifyInstance): void {
    add(fastify, 'GET', `${artifactsRoot}/artifacts`, async (request, _reply, caller) => {
      const { path } = parseFields(Link, fieldsOf(request));
      return { files: await this.files.list(path, caller) };
    });
    add(fastify, 'GET', `${apiRoot}/artifacts/list`, async (request, _reply, caller) => {
      const { folder, root } = await this.#ofRun(request);
      const files = await this.files.list(folder === '' ? root : `${root}/${folder}`, caller);
      // Here, unlike above, paths are relative to the run.
      const prefix = folder === '' ? '' : `${folder}/`;
      return {
        root_uri: `mlflow-artifacts:/${root}`,
        files: files.map((file) => ({ ...file, path: `${prefix}${file.path}` })),
      };
    });
    add(fastify, 'GET', '/get-artifact', async (request, reply, caller) => {
      const { folder, root } = await this.#ofRun(request);
      return this.#send(`${root}/${folder}`, request, reply, caller);
    });
    add(fastify, 'GET', '/model-versions/get-artifact', async (request, reply, caller) => {
      const { path, ...address } = parseFields(VersionLink, fieldsOf(request));
      const root = await this.versions.rootOf(address);
      return this.#send(`${root}/${path}`, request, reply, caller);
    });
  }

  /** The path that a request names, and the root of its run. */
  async #ofRun(request: FastifyRequest): Promise<{ folder: string; root: string }> {
    const { path, ...run } = parseFields(RunLink, fieldsOf(request));
    const row = await this.runs.row(runIdOf(run));
    return { folder: path.replaceAll(/^\/+|\/+$/g, ''), root: runArtifactRoot(row) };
  }

  async #send(
    path: string,
    request: FastifyRequest,
    reply: FastifyReply,
    caller: Caller,
  ): Promise<FastifyReply> {
    const found = await this.files.find(path, caller);
    if ('text' in found) return reply.type('text/plain; charset=utf-8').send(found.text);
    await sendArtifact(this.artifacts.downloads, found, request, reply);
    return reply;
  }
}

/** Which scope is needed depends on the path, so the handler checks it. */
const add = (fastify: FastifyInstance, method: HttpMethod, path: string, handler: Handler): void =>
  addRoute(fastify, { method, access: 'authenticated' }, path, handler);

const pathOf = (request: FastifyRequest): string => (request.params as { '*': string })['*'];

/** As the client reaches us, also through a gateway. Who forges it only misleads itself. */
function originOf({ headers, host }: FastifyRequest): string {
  const header = (name: string): string | undefined => [headers[name]].flat()[0]?.split(',')[0]?.trim();
  return `${header('x-forwarded-proto') ?? 'http'}://${header('x-forwarded-host') ?? host}`;
}
