import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ReplicaNext1795489200000 implements MigrationInterface {
  name = 'ReplicaNext1795489200000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "replicas" ADD "next" jsonb`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "replicas" DROP COLUMN "next"`);
  }
}
