import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A stage's highest version gets its alias, unless the model has one of that name. */
export class StagesAreAliases1795661000000 implements MigrationInterface {
  name = 'StagesAreAliases1795661000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `INSERT INTO aliases (model_id, name, version_number, protected, updated_at)
       SELECT DISTINCT ON (v.model_id, x.stage) v.model_id, lower(x.stage), v.number, false, now()
       FROM mlflow_versions x JOIN versions v ON v.id = x.version_id
       WHERE x.stage IN ('Staging', 'Production') AND v.archived_at IS NULL
       ORDER BY v.model_id, x.stage, v.number DESC
       ON CONFLICT DO NOTHING`,
    );
    await queryRunner.query(
      `UPDATE mlflow_versions SET stage = 'None' WHERE stage IN ('Staging', 'Production')`,
    );
    await queryRunner.query(`ALTER TABLE "mlflow_versions" DROP CONSTRAINT "mlflow_versions_stage_check"`);
    await queryRunner.query(
      `ALTER TABLE "mlflow_versions" ADD CONSTRAINT "mlflow_versions_stage_check" CHECK ("stage" IN ('None', 'Archived'))`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "mlflow_versions" DROP CONSTRAINT "mlflow_versions_stage_check"`);
    await queryRunner.query(
      `ALTER TABLE "mlflow_versions" ADD CONSTRAINT "mlflow_versions_stage_check" CHECK ("stage" IN ('None', 'Staging', 'Production', 'Archived'))`,
    );
  }
}
