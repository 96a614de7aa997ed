/** Puts MLflow's calls on the server. They are no part of the route table: their shapes are MLflow's, not ours. */
import type { ArtifactStore } from '#artifacts/artifact-store';
import type { Access, HttpMethod, RouteSpec } from '#contracts/route';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ARTIFACT_STORE } from '../artifacts/artifact-store.token.js';
import { sendArtifact } from '../artifacts/send-artifact.js';
import { authorize } from '../http/access.guard.js';
import type { Caller } from '../http/caller.js';
import { toFastifyPath } from '../http/route.decorator.js';
import { ExperimentOperations } from './experiments.operations.js';
import { LoggedModelOperations } from './logged-models.operations.js';
import { MetricOperations } from './metrics.operations.js';
import { MlflowFiles } from './mlflow-files.js';
import { ModelOperations } from './models.operations.js';
import type { Operation, OperationSource } from './operation.js';
import { RunOperations } from './runs.operations.js';
import { VersionOperations } from './versions.operations.js';

type Handler = (request: FastifyRequest, reply: FastifyReply, caller: Caller) => Promise<unknown>;

const apiRoot = '/api/2.0/mlflow';
const artifactsRoot = '/api/2.0/mlflow-artifacts';

@Injectable()
export class MlflowServer {
  readonly #sources: readonly OperationSource[];

  constructor(
    private readonly files: MlflowFiles,
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    experiments: ExperimentOperations,
    runs: RunOperations,
    metrics: MetricOperations,
    loggedModels: LoggedModelOperations,
    models: ModelOperations,
    versions: VersionOperations,
  ) {
    this.#sources = [experiments, runs, metrics, loggedModels, models, versions];
  }

  /** Must run after the hooks of the server are set, and before it is ready. */
  serve(fastify: FastifyInstance): void {
    for (const operation of this.#sources.flatMap((source) => source.operations))
      addRoute(fastify, operation, `${apiRoot}/${operation.path}`, (request, _reply, caller) =>
        operation.handle(fieldsOf(request), caller),
      );
    fastify.register(async (scope) => {
      // A client may announce any type for the bytes of a file, also JSON; none of them is parsed.
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
      this.#serveFiles(scope);
    });
  }

  #serveFiles(fastify: FastifyInstance): void {
    const file = `${artifactsRoot}/artifacts/*`;
    const add = (method: HttpMethod, path: string, handler: Handler): void =>
      addRoute(fastify, { method, access: 'authenticated' }, path, handler);
    add('GET', `${artifactsRoot}/artifacts`, async (request, _reply, caller) => {
      const { path } = request.query as { path?: string | string[] };
      return { files: await this.files.list(String(path ?? ''), caller) };
    });
    add('GET', file, (request, reply, caller) => this.#send(request, reply, caller));
    add('PUT', file, async (request, _reply, caller) => {
      await this.files.put(pathOf(request), request.raw, caller);
      return {};
    });
    add('DELETE', file, async (request, _reply, caller) => {
      await this.files.remove(pathOf(request), caller);
      return {};
    });
    // With exactly this answer the client falls back to one PUT.
    add('POST', `${artifactsRoot}/mpu/*`, async (_request, reply) =>
      reply.code(501).send({
        error_code: 'NOT_IMPLEMENTED',
        message: 'Multipart upload is not supported for the current artifact repository',
      }),
    );
  }

  async #send(request: FastifyRequest, reply: FastifyReply, caller: Caller): Promise<FastifyReply> {
    const found = await this.files.find(pathOf(request), caller);
    if ('text' in found) return reply.type('text/plain; charset=utf-8').send(found.text);
    await sendArtifact(this.store, found, request, reply);
    return reply;
  }
}

function addRoute(
  fastify: FastifyInstance,
  { method, access }: Pick<Operation, 'method'> & { readonly access: Access },
  path: string,
  handler: Handler,
): void {
  const spec: RouteSpec = { method, path, summary: 'MLflow', access, status: 200 };
  fastify.route({
    method,
    url: toFastifyPath(path),
    config: { spec },
    handler: async (request, reply) => {
      authorize(spec, request.caller, {});
      if (request.caller === undefined) throw new SluiceError('UNAUTHENTICATED', 'Send a token.');
      return handler(request, reply, request.caller);
    },
  });
}

const pathOf = (request: FastifyRequest): string => (request.params as { '*': string })['*'];

function fieldsOf({ query, body, params }: FastifyRequest): Record<string, unknown> {
  if (body !== undefined && (typeof body !== 'object' || body === null || Array.isArray(body)))
    throw new SluiceError('INVALID_REQUEST', 'The body must be a JSON object.');
  return { ...(query as object), ...body, ...(params as object) };
}
