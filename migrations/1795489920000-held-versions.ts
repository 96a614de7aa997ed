import type { MigrationInterface, QueryRunner } from 'typeorm';

export class HeldVersions1795489920000 implements MigrationInterface {
  name = 'HeldVersions1795489920000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "versions" ADD "held" boolean NOT NULL DEFAULT true`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "versions" DROP COLUMN "held"`);
  }
}
