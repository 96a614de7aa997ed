/** Puts MLflow's calls on the server. They are no part of the route table: their shapes are MLflow's, not ours. */
import { Injectable } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { addOpenRoute, addRoute, apiRoot, fieldsOf } from './add-route.js';
import { ArtifactRoutes } from './artifact-routes.js';
import { DatasetOperations } from './datasets.operations.js';
import { ExperimentOperations } from './experiments.operations.js';
import { LatestRequests } from './latest-requests.js';
import { LoggedModelOperations } from './logged-models.operations.js';
import { MetricOperations } from './metrics.operations.js';
import { ModelOperations } from './models.operations.js';
import { JsonText } from './operation.js';
import type { Operation, OperationSource } from './operation.js';
import { RunLogOperations } from './run-log.operations.js';
import { RunOperations } from './runs.operations.js';
import { VersionOperations } from './versions.operations.js';

/** The release of MLflow whose protocol this is. */
const mlflowVersion = '3.17.2';

/** What clients ask before they have logged in. */
const serverInfo = {
  store_type: 'SqlStore',
  workspaces_enabled: false,
  trace_archival_enabled: false,
  // Parts work, but the client need not use them: one PUT streams as well.
  multipart_uploads_enabled: false,
  multipart_downloads_enabled: false,
  features_enabled: { gateway: false },
};

@Injectable()
export class MlflowServer {
  readonly #sources: readonly OperationSource[];
  readonly #requests = new LatestRequests();

  constructor(
    private readonly artifacts: ArtifactRoutes,
    experiments: ExperimentOperations,
    runs: RunOperations,
    runLog: RunLogOperations,
    metrics: MetricOperations,
    datasets: DatasetOperations,
    loggedModels: LoggedModelOperations,
    models: ModelOperations,
    versions: VersionOperations,
  ) {
    this.#sources = [experiments, runs, runLog, metrics, datasets, loggedModels, models, versions];
  }

  /** Must run after the hooks of the server are set, and before it is ready. */
  serve(fastify: FastifyInstance): void {
    for (const operation of this.#sources.flatMap((source) => source.operations))
      for (const path of pathsOf(operation))
        addRoute(fastify, operation, path, async (request, reply, caller) => {
          const fields = fieldsOf(request);
          const noted = this.#requests.note(operation, fields, request, reply, caller);
          const answer = await operation.handle(fields, noted);
          if (!(answer instanceof JsonText)) return answer;
          return reply.type('application/json; charset=utf-8').send(answer.text);
        });
    addOpenRoute(fastify, 'GET', '/health', async (_request, reply) => reply.type('text/plain').send('OK'));
    addOpenRoute(fastify, 'GET', '/version', async (_request, reply) =>
      reply.type('text/plain').send(mlflowVersion),
    );
    addOpenRoute(fastify, 'GET', '/api/3.0/mlflow/server-info', async () => serverInfo);
    this.artifacts.serve(fastify);
  }
}

/** MLflow's own definition of one call lacks a slash, so that its clients ask at an odd address. */
const pathsOf = ({ path }: Operation): string[] =>
  path === 'experiments/search-datasets'
    ? [`${apiRoot}/${path}`, `/api/2.0mlflow/${path}`]
    : [`${apiRoot}/${path}`];
