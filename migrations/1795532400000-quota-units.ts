import type { MigrationInterface, QueryRunner } from 'typeorm';

export class QuotaUnits1795532400000 implements MigrationInterface {
  name = 'QuotaUnits1795532400000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "quotas" DROP CONSTRAINT "quotas_unit_check"`);
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_unit_check" CHECK ("unit" IN ('requests', 'bytes', 'compute_ms', 'concurrency'))`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DELETE FROM "quotas" WHERE "unit" IN ('bytes', 'compute_ms')`);
    await queryRunner.query(`ALTER TABLE "quotas" DROP CONSTRAINT "quotas_unit_check"`);
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_unit_check" CHECK ("unit" IN ('requests', 'concurrency'))`,
    );
  }
}
