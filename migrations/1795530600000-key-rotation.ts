import type { MigrationInterface, QueryRunner } from 'typeorm';

export class KeyRotation1795530600000 implements MigrationInterface {
  name = 'KeyRotation1795530600000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `ALTER TABLE "signing_keys" ADD "signs_from" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()`,
    );
    await queryRunner.query(`UPDATE "signing_keys" SET "signs_from" = "created_at"`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "signing_keys" DROP COLUMN "signs_from"`);
  }
}
