/** What only MLflow's protocol knows: files of runs and logged models, and the extra facts of a registered version. */
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { bigint, instant, json, nullableInstant, tags } from '../columns.js';
import { ExperimentEntity, RunEntity } from './run.entity.js';
import { ArtifactEntity, VersionEntity } from './version.entity.js';

/** A file of a run or logged model; unlike a version's it may be overwritten. */
@Entity('mlflow_files')
@Index('mlflow_files_sha256_idx', ['sha256'])
@ForeignKey(() => ArtifactEntity, ['sha256'], ['sha256'], { name: 'mlflow_files_artifact_fkey' })
export class MlflowFileEntity {
  /** `<experiment>/<run>/artifacts/…` or `<experiment>/models/m-<id>/artifacts/…` */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'mlflow_files_pkey', collation: 'C' })
  path!: string;
  @Column('text')
  sha256!: string;
  @Column(instant)
  updated_at!: Date;
}

@Entity('logged_models')
@Index('logged_models_experiment_idx', ['experiment_id', 'created_at'])
@Index('logged_models_run_idx', ['run_id'])
@Check('logged_models_status_check', `"status" IN ('PENDING', 'READY', 'UPLOAD_FAILED')`)
@ForeignKey(() => ExperimentEntity, ['experiment_id'], ['id'], { name: 'logged_models_experiment_fkey' })
@ForeignKey(() => RunEntity, ['run_id'], ['id'], { name: 'logged_models_run_fkey' })
export class LoggedModelEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'logged_models_pkey' })
  id!: string;
  @Column('uuid')
  experiment_id!: string;
  @Column('uuid', { nullable: true })
  run_id!: string | null;
  @Column('text')
  name!: string;
  @Column('text', { default: '' })
  model_type!: string;
  @Column('text')
  status!: string;
  @Column(json)
  params!: Record<string, string>;
  @Column(tags)
  tags!: Record<string, string>;
  @Column(instant)
  created_at!: Date;
  @Column(instant)
  updated_at!: Date;
  @Column(nullableInstant)
  deleted_at!: Date | null;
}

/** Of a version that was registered through MLflow, or was moved to a stage. */
@Entity('mlflow_versions')
@ForeignKey(() => VersionEntity, ['version_id'], ['id'], { name: 'mlflow_versions_version_fkey' })
@ForeignKey(() => LoggedModelEntity, ['logged_model_id'], ['id'], {
  name: 'mlflow_versions_logged_model_fkey',
})
@Check('mlflow_versions_stage_check', `"stage" IN ('None', 'Archived')`)
export class MlflowVersionEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'mlflow_versions_pkey' })
  version_id!: string;
  /** As the client gave it; the files were copied at that moment. */
  @Column('text', { nullable: true })
  source!: string | null;
  @Column('text', { default: '' })
  run_link!: string;
  @Column('uuid', { nullable: true })
  logged_model_id!: string | null;
  /** Where no alias speaks for it: `production` and `staging` are stages. */
  @Column('text', { default: 'None' })
  stage!: 'None' | 'Archived';
}

/** Data that runs read, known by name and digest within its experiment. */
@Entity('datasets')
@Unique('datasets_name_digest_key', ['experiment_id', 'name', 'digest'])
@ForeignKey(() => ExperimentEntity, ['experiment_id'], ['id'], { name: 'datasets_experiment_fkey' })
export class DatasetEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'datasets_pkey' })
  id!: string;
  @Column('uuid')
  experiment_id!: string;
  @Column('text')
  name!: string;
  @Column('text')
  digest!: string;
  @Column('text')
  source_type!: string;
  @Column('text')
  source!: string;
  @Column('text', { nullable: true })
  schema!: string | null;
  @Column('text', { nullable: true })
  profile!: string | null;
}

@Entity('run_datasets')
@Index('run_datasets_dataset_idx', ['dataset_id'])
@ForeignKey(() => RunEntity, ['run_id'], ['id'], { name: 'run_datasets_run_fkey', onDelete: 'CASCADE' })
@ForeignKey(() => DatasetEntity, ['dataset_id'], ['id'], { name: 'run_datasets_dataset_fkey' })
export class RunDatasetEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'run_datasets_pkey' })
  run_id!: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'run_datasets_pkey' })
  dataset_id!: string;
  @Column(tags)
  tags!: Record<string, string>;
}

/** A logged model that a run reads, or makes at a step. */
@Entity('run_models')
@ForeignKey(() => RunEntity, ['run_id'], ['id'], { name: 'run_models_run_fkey', onDelete: 'CASCADE' })
@ForeignKey(() => LoggedModelEntity, ['logged_model_id'], ['id'], { name: 'run_models_logged_model_fkey' })
export class RunModelEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'run_models_pkey' })
  run_id!: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'run_models_pkey' })
  logged_model_id!: string;
  @PrimaryColumn('boolean', { primaryKeyConstraintName: 'run_models_pkey' })
  is_output!: boolean;
  @Column(bigint)
  step!: number;
}

/** The latest value of a metric of a logged model, per run and dataset that it was measured with. */
@Entity('logged_model_metrics')
@ForeignKey(() => LoggedModelEntity, ['logged_model_id'], ['id'], {
  name: 'logged_model_metrics_logged_model_fkey',
})
@ForeignKey(() => RunEntity, ['run_id'], ['id'], {
  name: 'logged_model_metrics_run_fkey',
  onDelete: 'CASCADE',
})
export class LoggedModelMetricEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'logged_model_metrics_pkey' })
  logged_model_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'logged_model_metrics_pkey' })
  key!: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'logged_model_metrics_pkey' })
  run_id!: string;
  /** Empty without a dataset. */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'logged_model_metrics_pkey' })
  dataset_name!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'logged_model_metrics_pkey' })
  dataset_digest!: string;
  @Column(bigint)
  step!: number;
  @Column(bigint)
  timestamp_ms!: number;
  @Column('double precision')
  value!: number;
}

/** A file that arrives in parts. Each part is an artifact until the whole is put together. */
@Entity('mlflow_uploads')
@Index('mlflow_uploads_created_idx', ['created_at'])
export class MlflowUploadEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'mlflow_uploads_pkey' })
  id!: string;
  @Column('text')
  path!: string;
  @Column('integer')
  parts!: number;
  /** Its hash is kept: who knows the secret may send parts, with no token. */
  @Column('text')
  secret_sha256!: string;
  /** Of the whole file, once it was put together: to complete it again is a no-op. */
  @Column('text', { nullable: true })
  sha256!: string | null;
  @Column(instant)
  created_at!: Date;
}

@Entity('mlflow_upload_parts')
@ForeignKey(() => MlflowUploadEntity, ['upload_id'], ['id'], {
  name: 'mlflow_upload_parts_upload_fkey',
  onDelete: 'CASCADE',
})
@ForeignKey(() => ArtifactEntity, ['sha256'], ['sha256'], { name: 'mlflow_upload_parts_artifact_fkey' })
export class MlflowUploadPartEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'mlflow_upload_parts_pkey' })
  upload_id!: string;
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'mlflow_upload_parts_pkey' })
  number!: number;
  @Column('text')
  sha256!: string;
}
