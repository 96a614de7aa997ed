import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Uploads1795636009521 implements MigrationInterface {
  name = 'Uploads1795636009521';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "uploads" ("id" uuid NOT NULL, "filename" text, "size_bytes" bigint NOT NULL, "received_bytes" bigint NOT NULL DEFAULT '0', "expected_sha256" text, "artifact_sha256" text, "version_id" uuid, "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_by" text NOT NULL, CONSTRAINT "uploads_finished_check" CHECK ("artifact_sha256" IS NULL OR "received_bytes" = "size_bytes"), CONSTRAINT "uploads_received_check" CHECK ("received_bytes" BETWEEN 0 AND "size_bytes"), CONSTRAINT "uploads_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(`CREATE INDEX "uploads_version_idx" ON "uploads"  ("version_id") `);
    await queryRunner.query(`CREATE INDEX "uploads_artifact_idx" ON "uploads"  ("artifact_sha256") `);
    await queryRunner.query(`CREATE INDEX "uploads_expires_at_idx" ON "uploads"  ("expires_at") `);
    await queryRunner.query(`CREATE INDEX "uploads_created_by_idx" ON "uploads"  ("created_by", "id") `);
    await queryRunner.query(
      `CREATE TABLE "upload_pieces" ("upload_id" uuid NOT NULL, "start_bytes" bigint NOT NULL, "size_bytes" bigint NOT NULL, "name" text NOT NULL, CONSTRAINT "upload_pieces_size_check" CHECK ("size_bytes" > 0), CONSTRAINT "upload_pieces_pkey" PRIMARY KEY ("upload_id", "start_bytes"))`,
    );
    await queryRunner.query(
      `ALTER TABLE "artifacts" ADD "claimed_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()`,
    );
    await queryRunner.query(`CREATE INDEX "artifacts_claimed_at_idx" ON "artifacts"  ("claimed_at") `);
    await queryRunner.query(
      `ALTER TABLE "uploads" ADD CONSTRAINT "uploads_version_fkey" FOREIGN KEY ("version_id") REFERENCES "versions"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "uploads" ADD CONSTRAINT "uploads_artifact_fkey" FOREIGN KEY ("artifact_sha256") REFERENCES "artifacts"("sha256") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "upload_pieces" ADD CONSTRAINT "upload_pieces_upload_fkey" FOREIGN KEY ("upload_id") REFERENCES "uploads"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "upload_pieces" DROP CONSTRAINT "upload_pieces_upload_fkey"`);
    await queryRunner.query(`ALTER TABLE "uploads" DROP CONSTRAINT "uploads_artifact_fkey"`);
    await queryRunner.query(`ALTER TABLE "uploads" DROP CONSTRAINT "uploads_version_fkey"`);
    await queryRunner.query(`DROP INDEX "public"."artifacts_claimed_at_idx"`);
    await queryRunner.query(`ALTER TABLE "artifacts" DROP COLUMN "claimed_at"`);
    await queryRunner.query(`DROP TABLE "upload_pieces"`);
    await queryRunner.query(`DROP INDEX "public"."uploads_created_by_idx"`);
    await queryRunner.query(`DROP INDEX "public"."uploads_expires_at_idx"`);
    await queryRunner.query(`DROP INDEX "public"."uploads_artifact_idx"`);
    await queryRunner.query(`DROP INDEX "public"."uploads_version_idx"`);
    await queryRunner.query(`DROP TABLE "uploads"`);
  }
}
