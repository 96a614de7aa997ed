import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Retention1795636991003 implements MigrationInterface {
  name = 'Retention1795636991003';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "models" ADD "retention" jsonb`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "models" DROP COLUMN "retention"`);
  }
}
