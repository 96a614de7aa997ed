import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AliasProtection1795633823738 implements MigrationInterface {
  name = 'AliasProtection1795633823738';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "aliases" ADD "protected" boolean NOT NULL DEFAULT false`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "aliases" DROP COLUMN "protected"`);
  }
}
