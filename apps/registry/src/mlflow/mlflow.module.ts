import { Module } from '@nestjs/common';
import { AliasesModule } from '../aliases/aliases.module.js';
import { ArtifactsModule } from '../artifacts/artifacts.module.js';
import { ModelsModule } from '../models/models.module.js';
import { RunsModule } from '../runs/runs.module.js';
import { VersionsModule } from '../versions/versions.module.js';
import { ArtifactRoutes } from './artifact-routes.js';
import { DatasetOperations } from './datasets.operations.js';
import { ExperimentOperations } from './experiments.operations.js';
import { LoggedModelOperations } from './logged-models.operations.js';
import { MetricOperations } from './metrics.operations.js';
import { MlflowFiles } from './mlflow-files.js';
import { MlflowServer } from './mlflow-server.js';
import { MlflowUploads } from './mlflow-uploads.js';
import { ModelOperations } from './models.operations.js';
import { RunLogOperations } from './run-log.operations.js';
import { RunOperations } from './runs.operations.js';
import { StageTransitions } from './stage-transitions.js';
import { VersionSources } from './version-sources.js';
import { VersionOperations } from './versions.operations.js';

/** MLflow's REST protocol over the runs, models and versions that are there. */
@Module({
  imports: [RunsModule, ModelsModule, VersionsModule, AliasesModule, ArtifactsModule],
  providers: [
    MlflowServer,
    ArtifactRoutes,
    MlflowFiles,
    MlflowUploads,
    DatasetOperations,
    ExperimentOperations,
    RunOperations,
    RunLogOperations,
    MetricOperations,
    LoggedModelOperations,
    ModelOperations,
    VersionSources,
    StageTransitions,
    VersionOperations,
  ],
})
export class MlflowModule {}
