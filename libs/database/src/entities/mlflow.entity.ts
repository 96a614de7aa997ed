/** What only MLflow's protocol knows: files of runs and logged models, and the extra facts of a registered version. */
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { instant, json, nullableInstant, tags } from '../columns.js';
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
@Check('mlflow_versions_stage_check', `"stage" IN ('None', 'Staging', 'Production', 'Archived')`)
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
  @Column('text', { default: 'None' })
  stage!: string;
}
