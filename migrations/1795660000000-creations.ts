import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Creations1795660000000 implements MigrationInterface {
  name = 'Creations1795660000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "creations" ("id" uuid NOT NULL, "fingerprint" text NOT NULL, "body_sha256" text NOT NULL, "made" text NOT NULL, "keyed" boolean NOT NULL, "lost" boolean NOT NULL DEFAULT false, "made_at" TIMESTAMP WITH TIME ZONE NOT NULL, "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "creations_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(`CREATE INDEX "creations_fingerprint_idx" ON "creations"  ("fingerprint") `);
    await queryRunner.query(`CREATE INDEX "creations_expiry_idx" ON "creations"  ("expires_at") `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "creations"`);
  }
}
