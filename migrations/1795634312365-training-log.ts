import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Datasets, logs, studies, metrics of logged models, and files that arrive in parts. */
export class TrainingLog1795634312365 implements MigrationInterface {
  name = 'TrainingLog1795634312365';

  async up(queryRunner: QueryRunner): Promise<void> {
    // Values may be longer than an index row; searches for equal values compare the first characters too.
    for (const table of ['run_params', 'run_tags'])
      await queryRunner.query(`CREATE INDEX "${table}_value_idx" ON "${table}" ("key", left("value", 64))`);
    await queryRunner.query(
      `CREATE TABLE "run_log_lines" ("run_id" uuid NOT NULL, "source" text NOT NULL, "number" integer NOT NULL, "at" TIMESTAMP WITH TIME ZONE NOT NULL, "text" text NOT NULL, CONSTRAINT "run_log_lines_pkey" PRIMARY KEY ("run_id", "source", "number"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "studies" ("id" uuid NOT NULL, "experiment_id" uuid NOT NULL, "name" text NOT NULL, "metric" text NOT NULL, "direction" text NOT NULL, "search_space" jsonb NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_by" text NOT NULL, CONSTRAINT "studies_name_key" UNIQUE ("experiment_id", "name"), CONSTRAINT "studies_direction_check" CHECK ("direction" IN ('MINIMIZE', 'MAXIMIZE')), CONSTRAINT "studies_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "datasets" ("id" uuid NOT NULL, "experiment_id" uuid NOT NULL, "name" text NOT NULL, "digest" text NOT NULL, "source_type" text NOT NULL, "source" text NOT NULL, "schema" text, "profile" text, CONSTRAINT "datasets_name_digest_key" UNIQUE ("experiment_id", "name", "digest"), CONSTRAINT "datasets_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "run_datasets" ("run_id" uuid NOT NULL, "dataset_id" uuid NOT NULL, "tags" jsonb NOT NULL DEFAULT '{}', CONSTRAINT "run_datasets_pkey" PRIMARY KEY ("run_id", "dataset_id"))`,
    );
    await queryRunner.query(`CREATE INDEX "run_datasets_dataset_idx" ON "run_datasets"  ("dataset_id") `);
    await queryRunner.query(
      `CREATE TABLE "run_models" ("run_id" uuid NOT NULL, "logged_model_id" uuid NOT NULL, "is_output" boolean NOT NULL, "step" bigint NOT NULL, CONSTRAINT "run_models_pkey" PRIMARY KEY ("run_id", "logged_model_id", "is_output"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "logged_model_metrics" ("logged_model_id" uuid NOT NULL, "key" text NOT NULL, "run_id" uuid NOT NULL, "dataset_name" text NOT NULL, "dataset_digest" text NOT NULL, "step" bigint NOT NULL, "timestamp_ms" bigint NOT NULL, "value" double precision NOT NULL, CONSTRAINT "logged_model_metrics_pkey" PRIMARY KEY ("logged_model_id", "key", "run_id", "dataset_name", "dataset_digest"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "mlflow_uploads" ("id" uuid NOT NULL, "path" text NOT NULL, "parts" integer NOT NULL, "secret_sha256" text NOT NULL, "sha256" text, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "mlflow_uploads_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(`CREATE INDEX "mlflow_uploads_created_idx" ON "mlflow_uploads"  ("created_at") `);
    await queryRunner.query(
      `CREATE TABLE "mlflow_upload_parts" ("upload_id" uuid NOT NULL, "number" integer NOT NULL, "sha256" text NOT NULL, CONSTRAINT "mlflow_upload_parts_pkey" PRIMARY KEY ("upload_id", "number"))`,
    );
    await queryRunner.query(
      `ALTER TABLE "run_log_lines" ADD CONSTRAINT "run_log_lines_run_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "studies" ADD CONSTRAINT "studies_experiment_fkey" FOREIGN KEY ("experiment_id") REFERENCES "experiments"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "datasets" ADD CONSTRAINT "datasets_experiment_fkey" FOREIGN KEY ("experiment_id") REFERENCES "experiments"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "run_datasets" ADD CONSTRAINT "run_datasets_dataset_fkey" FOREIGN KEY ("dataset_id") REFERENCES "datasets"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "run_datasets" ADD CONSTRAINT "run_datasets_run_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "run_models" ADD CONSTRAINT "run_models_logged_model_fkey" FOREIGN KEY ("logged_model_id") REFERENCES "logged_models"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "run_models" ADD CONSTRAINT "run_models_run_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "logged_model_metrics" ADD CONSTRAINT "logged_model_metrics_run_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "logged_model_metrics" ADD CONSTRAINT "logged_model_metrics_logged_model_fkey" FOREIGN KEY ("logged_model_id") REFERENCES "logged_models"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "mlflow_upload_parts" ADD CONSTRAINT "mlflow_upload_parts_artifact_fkey" FOREIGN KEY ("sha256") REFERENCES "artifacts"("sha256") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "mlflow_upload_parts" ADD CONSTRAINT "mlflow_upload_parts_upload_fkey" FOREIGN KEY ("upload_id") REFERENCES "mlflow_uploads"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of ['run_params', 'run_tags'])
      await queryRunner.query(`DROP INDEX "public"."${table}_value_idx"`);
    await queryRunner.query(
      `ALTER TABLE "mlflow_upload_parts" DROP CONSTRAINT "mlflow_upload_parts_upload_fkey"`,
    );
    await queryRunner.query(
      `ALTER TABLE "mlflow_upload_parts" DROP CONSTRAINT "mlflow_upload_parts_artifact_fkey"`,
    );
    await queryRunner.query(
      `ALTER TABLE "logged_model_metrics" DROP CONSTRAINT "logged_model_metrics_logged_model_fkey"`,
    );
    await queryRunner.query(
      `ALTER TABLE "logged_model_metrics" DROP CONSTRAINT "logged_model_metrics_run_fkey"`,
    );
    await queryRunner.query(`ALTER TABLE "run_models" DROP CONSTRAINT "run_models_run_fkey"`);
    await queryRunner.query(`ALTER TABLE "run_models" DROP CONSTRAINT "run_models_logged_model_fkey"`);
    await queryRunner.query(`ALTER TABLE "run_datasets" DROP CONSTRAINT "run_datasets_run_fkey"`);
    await queryRunner.query(`ALTER TABLE "run_datasets" DROP CONSTRAINT "run_datasets_dataset_fkey"`);
    await queryRunner.query(`ALTER TABLE "datasets" DROP CONSTRAINT "datasets_experiment_fkey"`);
    await queryRunner.query(`ALTER TABLE "studies" DROP CONSTRAINT "studies_experiment_fkey"`);
    await queryRunner.query(`ALTER TABLE "run_log_lines" DROP CONSTRAINT "run_log_lines_run_fkey"`);
    await queryRunner.query(`DROP TABLE "mlflow_upload_parts"`);
    await queryRunner.query(`DROP INDEX "public"."mlflow_uploads_created_idx"`);
    await queryRunner.query(`DROP TABLE "mlflow_uploads"`);
    await queryRunner.query(`DROP TABLE "logged_model_metrics"`);
    await queryRunner.query(`DROP TABLE "run_models"`);
    await queryRunner.query(`DROP INDEX "public"."run_datasets_dataset_idx"`);
    await queryRunner.query(`DROP TABLE "run_datasets"`);
    await queryRunner.query(`DROP TABLE "datasets"`);
    await queryRunner.query(`DROP TABLE "studies"`);
    await queryRunner.query(`DROP TABLE "run_log_lines"`);
  }
}
