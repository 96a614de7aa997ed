import type { RunStatus } from '#contracts/runs';
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { bigint, instant, nullableInstant, tags } from '../columns.js';

@Entity('experiments')
@Unique('experiments_name_key', ['name'])
export class ExperimentEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'experiments_pkey' })
  id!: string;
  @Column('text')
  name!: string;
  @Column(tags)
  tags!: Record<string, string>;
  @Column(instant)
  created_at!: Date;
  @Column(nullableInstant)
  deleted_at!: Date | null;
}

@Entity('runs')
@Index('runs_experiment_idx', ['experiment_id', 'id'])
@Check('runs_status_check', `"status" IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')`)
@Check('runs_end_check', `("status" IN ('RUNNING', 'SCHEDULED')) = ("ended_at" IS NULL)`)
@ForeignKey(() => ExperimentEntity, ['experiment_id'], ['id'], { name: 'runs_experiment_fkey' })
export class RunEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'runs_pkey' })
  id!: string;
  @Column('uuid')
  experiment_id!: string;
  @Column('text')
  name!: string;
  @Column('text', { default: 'RUNNING' })
  status!: RunStatus;
  @Column(instant)
  started_at!: Date;
  @Column(nullableInstant)
  ended_at!: Date | null;
  @Column(nullableInstant)
  deleted_at!: Date | null;
  @Column('text')
  created_by!: string;
}

@Entity('run_params')
@ForeignKey(() => RunEntity, ['run_id'], ['id'], { name: 'run_params_run_fkey', onDelete: 'CASCADE' })
export class RunParamEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'run_params_pkey' })
  run_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'run_params_pkey' })
  key!: string;
  @Column('text')
  value!: string;
}

@Entity('run_tags')
@ForeignKey(() => RunEntity, ['run_id'], ['id'], { name: 'run_tags_run_fkey', onDelete: 'CASCADE' })
export class RunTagEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'run_tags_pkey' })
  run_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'run_tags_pkey' })
  key!: string;
  @Column('text')
  value!: string;
}

/** Every point; the primary key makes a repeated point a no-op and serves the history in order. */
@Entity('metrics')
@ForeignKey(() => RunEntity, ['run_id'], ['id'], { name: 'metrics_run_fkey', onDelete: 'CASCADE' })
export class MetricEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'metrics_pkey' })
  run_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'metrics_pkey' })
  key!: string;
  @PrimaryColumn({ ...bigint, primaryKeyConstraintName: 'metrics_pkey' })
  step!: number;
  @PrimaryColumn({ ...bigint, primaryKeyConstraintName: 'metrics_pkey' })
  timestamp_ms!: number;
  @PrimaryColumn('double precision', { primaryKeyConstraintName: 'metrics_pkey' })
  value!: number;
}

/** The point of each metric with the highest (step, timestamp, value). */
@Entity('latest_metrics')
@Index('latest_metrics_key_idx', ['key', 'value'])
@ForeignKey(() => RunEntity, ['run_id'], ['id'], { name: 'latest_metrics_run_fkey', onDelete: 'CASCADE' })
export class LatestMetricEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'latest_metrics_pkey' })
  run_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'latest_metrics_pkey' })
  key!: string;
  @Column(bigint)
  step!: number;
  @Column(bigint)
  timestamp_ms!: number;
  @Column('double precision')
  value!: number;
}
