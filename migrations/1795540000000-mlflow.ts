import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Runs and experiments can be deleted and restored; MLflow's files, logged models and stages. */
export class Mlflow1795540000000 implements MigrationInterface {
  name = 'Mlflow1795540000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "mlflow_files" ("path" text COLLATE "C" NOT NULL, "sha256" text NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "mlflow_files_pkey" PRIMARY KEY ("path"))`,
    );
    await queryRunner.query(`CREATE INDEX "mlflow_files_sha256_idx" ON "mlflow_files"  ("sha256") `);
    await queryRunner.query(
      `CREATE TABLE "logged_models" ("id" uuid NOT NULL, "experiment_id" uuid NOT NULL, "run_id" uuid, "name" text NOT NULL, "model_type" text NOT NULL DEFAULT '', "status" text NOT NULL, "params" jsonb NOT NULL, "tags" jsonb NOT NULL DEFAULT '{}', "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, "deleted_at" TIMESTAMP WITH TIME ZONE, CONSTRAINT "logged_models_status_check" CHECK ("status" IN ('PENDING', 'READY', 'UPLOAD_FAILED')), CONSTRAINT "logged_models_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE INDEX "logged_models_experiment_idx" ON "logged_models"  ("experiment_id", "created_at") `,
    );
    await queryRunner.query(`CREATE INDEX "logged_models_run_idx" ON "logged_models" ("run_id")`);
    await queryRunner.query(
      `CREATE TABLE "mlflow_versions" ("version_id" uuid NOT NULL, "source" text, "run_link" text NOT NULL DEFAULT '', "logged_model_id" uuid, "stage" text NOT NULL DEFAULT 'None', CONSTRAINT "mlflow_versions_stage_check" CHECK ("stage" IN ('None', 'Staging', 'Production', 'Archived')), CONSTRAINT "mlflow_versions_pkey" PRIMARY KEY ("version_id"))`,
    );
    await queryRunner.query(`ALTER TABLE "experiments" ADD "deleted_at" TIMESTAMP WITH TIME ZONE`);
    await queryRunner.query(`ALTER TABLE "runs" ADD "deleted_at" TIMESTAMP WITH TIME ZONE`);
    await queryRunner.query(
      `ALTER TABLE "mlflow_files" ADD CONSTRAINT "mlflow_files_artifact_fkey" FOREIGN KEY ("sha256") REFERENCES "artifacts"("sha256") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "logged_models" ADD CONSTRAINT "logged_models_run_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "logged_models" ADD CONSTRAINT "logged_models_experiment_fkey" FOREIGN KEY ("experiment_id") REFERENCES "experiments"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "mlflow_versions" ADD CONSTRAINT "mlflow_versions_logged_model_fkey" FOREIGN KEY ("logged_model_id") REFERENCES "logged_models"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "mlflow_versions" ADD CONSTRAINT "mlflow_versions_version_fkey" FOREIGN KEY ("version_id") REFERENCES "versions"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(`ALTER TABLE "runs" DROP CONSTRAINT "runs_status_check"`);
    await queryRunner.query(`ALTER TABLE "runs" DROP CONSTRAINT "runs_end_check"`);
    await queryRunner.query(
      `ALTER TABLE "runs" ADD CONSTRAINT "runs_status_check" CHECK ("status" IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'))`,
    );
    await queryRunner.query(
      `ALTER TABLE "runs" ADD CONSTRAINT "runs_end_check" CHECK (("status" IN ('RUNNING', 'SCHEDULED')) = ("ended_at" IS NULL))`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "mlflow_versions" DROP CONSTRAINT "mlflow_versions_version_fkey"`);
    await queryRunner.query(
      `ALTER TABLE "mlflow_versions" DROP CONSTRAINT "mlflow_versions_logged_model_fkey"`,
    );
    await queryRunner.query(`ALTER TABLE "logged_models" DROP CONSTRAINT "logged_models_experiment_fkey"`);
    await queryRunner.query(`ALTER TABLE "logged_models" DROP CONSTRAINT "logged_models_run_fkey"`);
    await queryRunner.query(`ALTER TABLE "mlflow_files" DROP CONSTRAINT "mlflow_files_artifact_fkey"`);
    await queryRunner.query(`ALTER TABLE "runs" DROP COLUMN "deleted_at"`);
    await queryRunner.query(`ALTER TABLE "experiments" DROP COLUMN "deleted_at"`);
    await queryRunner.query(`DROP TABLE "mlflow_versions"`);
    await queryRunner.query(`DROP INDEX "public"."logged_models_experiment_idx"`);
    await queryRunner.query(`DROP INDEX "public"."logged_models_run_idx"`);
    await queryRunner.query(`DROP TABLE "logged_models"`);
    await queryRunner.query(`DROP INDEX "public"."mlflow_files_sha256_idx"`);
    await queryRunner.query(`DROP TABLE "mlflow_files"`);
    await queryRunner.query(`UPDATE "runs" SET "status" = 'RUNNING' WHERE "status" = 'SCHEDULED'`);
    await queryRunner.query(`ALTER TABLE "runs" DROP CONSTRAINT "runs_status_check"`);
    await queryRunner.query(`ALTER TABLE "runs" DROP CONSTRAINT "runs_end_check"`);
    await queryRunner.query(
      `ALTER TABLE "runs" ADD CONSTRAINT "runs_status_check" CHECK ("status" IN ('RUNNING', 'FINISHED', 'FAILED', 'KILLED'))`,
    );
    await queryRunner.query(
      `ALTER TABLE "runs" ADD CONSTRAINT "runs_end_check" CHECK (("status" = 'RUNNING') = ("ended_at" IS NULL))`,
    );
  }
}
