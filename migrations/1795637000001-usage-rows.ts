import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Rows, and compute time as nodes measure it. What was counted before has no rows, and its time at the node stands for compute. */
export class UsageRows1795637000001 implements MigrationInterface {
  name = 'UsageRows1795637000001';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "usage_hours" RENAME COLUMN "node_us" TO "compute_us"`);
    await queryRunner.query(`ALTER TABLE "usage_hours" ADD "rows" bigint NOT NULL DEFAULT 0`);
    await queryRunner.query(`ALTER TABLE "usage_hours" ALTER COLUMN "rows" DROP DEFAULT`);
    await queryRunner.query(`UPDATE "prices" SET "unit" = 'compute_us' WHERE "unit" = 'node_us'`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`UPDATE "prices" SET "unit" = 'node_us' WHERE "unit" = 'compute_us'`);
    await queryRunner.query(`DELETE FROM "prices" WHERE "unit" = 'rows'`);
    await queryRunner.query(`ALTER TABLE "usage_hours" DROP COLUMN "rows"`);
    await queryRunner.query(`ALTER TABLE "usage_hours" RENAME COLUMN "compute_us" TO "node_us"`);
  }
}
