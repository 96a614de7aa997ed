import type { MigrationInterface, QueryRunner } from 'typeorm';

export class TokenRevocation1795541000000 implements MigrationInterface {
  name = 'TokenRevocation1795541000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "clients" ADD "tokens_valid_from" TIMESTAMP WITH TIME ZONE`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "clients" DROP COLUMN "tokens_valid_from"`);
  }
}
