import type { RunStatus } from '#contracts/runs';
import type { SearchSpace } from '#contracts/studies';
import {
  Check,
  Column,
  Entity,
  ForeignKey,
  Index,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  Unique,
} from 'typeorm';
import { bigint, instant, json, nullableInstant, tags } from '../columns.js';

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
@Index('runs_start_idx', ['experiment_id', 'started_at', 'id'])
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
// On the first characters of the value, which no decorator can say: the migration makes it.
@Index('run_params_value_idx', { synchronize: false })
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
@Index('run_tags_value_idx', { synchronize: false })
@ForeignKey(() => RunEntity, ['run_id'], ['id'], { name: 'run_tags_run_fkey', onDelete: 'CASCADE' })
export class RunTagEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'run_tags_pkey' })
  run_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'run_tags_pkey' })
  key!: string;
  @Column('text')
  value!: string;
}

/** One metric of one run, with its latest point: that of the highest (step, timestamp, value). Points refer to it by number. */
@Entity('metric_series')
@Unique('metric_series_run_key', ['run_id', 'key'])
@Index('metric_series_value_idx', ['key', 'value'])
@ForeignKey(() => RunEntity, ['run_id'], ['id'], { name: 'metric_series_run_fkey', onDelete: 'CASCADE' })
export class MetricSeriesEntity {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'BY DEFAULT',
    primaryKeyConstraintName: 'metric_series_pkey',
  })
  id!: string;
  @Column('uuid')
  run_id!: string;
  @Column('text')
  key!: string;
  @Column(bigint)
  step!: number;
  @Column(bigint)
  timestamp_ms!: number;
  @Column('double precision')
  value!: number;
}

/**
 * Every point; the primary key makes a repeated point a no-op and serves the history in order. Without a foreign key: it
 * would be looked up for every point, and series are never deleted alone.
 */
@Entity('metric_points')
export class MetricPointEntity {
  @PrimaryColumn({ ...bigint, primaryKeyConstraintName: 'metric_points_pkey' })
  series_id!: number;
  @PrimaryColumn({ ...bigint, primaryKeyConstraintName: 'metric_points_pkey' })
  step!: number;
  @PrimaryColumn({ ...bigint, primaryKeyConstraintName: 'metric_points_pkey' })
  timestamp_ms!: number;
  @PrimaryColumn('double precision', { primaryKeyConstraintName: 'metric_points_pkey' })
  value!: number;
}

/** The lowest and highest point of each block of steps, so that a long history can be drawn without reading it. */
@Entity('metric_blocks')
export class MetricBlockEntity {
  @PrimaryColumn({ ...bigint, primaryKeyConstraintName: 'metric_blocks_pkey' })
  series_id!: number;
  @PrimaryColumn({ ...bigint, primaryKeyConstraintName: 'metric_blocks_pkey' })
  block!: number;
  /** Points that are NaN have blocks of their own: NaN is neither low nor high. */
  @PrimaryColumn('boolean', { primaryKeyConstraintName: 'metric_blocks_pkey' })
  is_nan!: boolean;
  @Column('double precision')
  low_value!: number;
  @Column(bigint)
  low_step!: number;
  @Column(bigint)
  low_timestamp_ms!: number;
  @Column('double precision')
  high_value!: number;
  @Column(bigint)
  high_step!: number;
  @Column(bigint)
  high_timestamp_ms!: number;
}

/** A line of a run's text log. A source (a process, a rank) numbers its own lines from 1, so that a repeated line is known. */
@Entity('run_log_lines')
@ForeignKey(() => RunEntity, ['run_id'], ['id'], { name: 'run_log_lines_run_fkey', onDelete: 'CASCADE' })
export class RunLogLineEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'run_log_lines_pkey' })
  run_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'run_log_lines_pkey' })
  source!: string;
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'run_log_lines_pkey' })
  number!: number;
  @Column(instant)
  at!: Date;
  @Column('text')
  text!: string;
}

/** Runs that search for good hyper-parameters. Its runs carry its id as the tag `sluice.study`. */
@Entity('studies')
@Unique('studies_name_key', ['experiment_id', 'name'])
@ForeignKey(() => ExperimentEntity, ['experiment_id'], ['id'], { name: 'studies_experiment_fkey' })
@Check('studies_direction_check', `"direction" IN ('MINIMIZE', 'MAXIMIZE')`)
export class StudyEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'studies_pkey' })
  id!: string;
  @Column('uuid')
  experiment_id!: string;
  @Column('text')
  name!: string;
  @Column('text')
  metric!: string;
  @Column('text')
  direction!: 'MINIMIZE' | 'MAXIMIZE';
  @Column(json)
  search_space!: SearchSpace;
  @Column(instant)
  created_at!: Date;
  @Column('text')
  created_by!: string;
}
