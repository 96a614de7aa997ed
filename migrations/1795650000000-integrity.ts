import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Integrity1795650000000 implements MigrationInterface {
  name = 'Integrity1795650000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "trusted_keys" ("name" text NOT NULL, "public_key" text NOT NULL, "fingerprint" text NOT NULL, "revoked_at" TIMESTAMP WITH TIME ZONE, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_by" text NOT NULL, CONSTRAINT "trusted_keys_fingerprint_key" UNIQUE ("fingerprint"), CONSTRAINT "trusted_keys_pkey" PRIMARY KEY ("name"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "attestations" ("version_id" uuid NOT NULL, "key_name" text NOT NULL, "signature" text NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_by" text NOT NULL, CONSTRAINT "attestations_pkey" PRIMARY KEY ("version_id", "key_name"))`,
    );
    await queryRunner.query(`CREATE INDEX "attestations_key_idx" ON "attestations"  ("key_name") `);
    await queryRunner.query(
      `CREATE TABLE "release_policy" ("id" integer NOT NULL, "signed_only" boolean NOT NULL, CONSTRAINT "release_policy_one_check" CHECK ("id" = 1), CONSTRAINT "release_policy_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(`ALTER TABLE "artifacts" ADD "corrupt_at" TIMESTAMP WITH TIME ZONE`);
    await queryRunner.query(`ALTER TABLE "models" ADD "signed_only" boolean NOT NULL DEFAULT false`);
    await queryRunner.query(
      `ALTER TABLE "attestations" ADD CONSTRAINT "attestations_key_fkey" FOREIGN KEY ("key_name") REFERENCES "trusted_keys"("name") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "attestations" ADD CONSTRAINT "attestations_version_fkey" FOREIGN KEY ("version_id") REFERENCES "versions"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "attestations" DROP CONSTRAINT "attestations_version_fkey"`);
    await queryRunner.query(`ALTER TABLE "attestations" DROP CONSTRAINT "attestations_key_fkey"`);
    await queryRunner.query(`ALTER TABLE "artifacts" DROP COLUMN "corrupt_at"`);
    await queryRunner.query(`ALTER TABLE "models" DROP COLUMN "signed_only"`);
    await queryRunner.query(`DROP TABLE "release_policy"`);
    await queryRunner.query(`DROP INDEX "public"."attestations_key_idx"`);
    await queryRunner.query(`DROP TABLE "attestations"`);
    await queryRunner.query(`DROP TABLE "trusted_keys"`);
  }
}
