import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The sequence is used by the numbering alone, which runs once at a time. */
export class Events1795534200000 implements MigrationInterface {
  name = 'Events1795534200000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "events" ("id" uuid NOT NULL, "number" bigint, "at" TIMESTAMP WITH TIME ZONE NOT NULL, "actor" text NOT NULL, "type" text NOT NULL, "subject" text NOT NULL, "data" jsonb, CONSTRAINT "events_number_key" UNIQUE ("number"), CONSTRAINT "events_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(`CREATE INDEX "events_unnumbered_idx" ON "events" ("id") WHERE "number" IS NULL`);
    await queryRunner.query(`CREATE SEQUENCE "events_number_seq"`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP SEQUENCE "events_number_seq"`);
    await queryRunner.query(`DROP INDEX "public"."events_unnumbered_idx"`);
    await queryRunner.query(`DROP TABLE "events"`);
  }
}
