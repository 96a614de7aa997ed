import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Webhooks1795634306920 implements MigrationInterface {
  name = 'Webhooks1795634306920';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "webhooks" ("id" uuid NOT NULL, "name" text NOT NULL, "url" text NOT NULL, "types" jsonb NOT NULL, "subject_prefix" text NOT NULL DEFAULT '', "secret" text NOT NULL, "enabled" boolean NOT NULL DEFAULT true, "place" bigint NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_by" text NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "webhooks_name_key" UNIQUE ("name"), CONSTRAINT "webhooks_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "webhook_deliveries" ("id" uuid NOT NULL, "webhook_id" uuid NOT NULL, "event_id" uuid NOT NULL, "event" jsonb NOT NULL, "state" text NOT NULL DEFAULT 'PENDING', "attempts" integer NOT NULL DEFAULT '0', "next_attempt_at" TIMESTAMP WITH TIME ZONE, "response_status" integer, "error" text, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "finished_at" TIMESTAMP WITH TIME ZONE, CONSTRAINT "webhook_deliveries_event_key" UNIQUE ("webhook_id", "event_id"), CONSTRAINT "webhook_deliveries_due_check" CHECK (("state" = 'PENDING') = ("next_attempt_at" IS NOT NULL)), CONSTRAINT "webhook_deliveries_state_check" CHECK ("state" IN ('PENDING', 'DELIVERED', 'FAILED')), CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE INDEX "webhook_deliveries_finished_idx" ON "webhook_deliveries" ("finished_at")`,
    );
    await queryRunner.query(
      `CREATE INDEX "webhook_deliveries_due_idx" ON "webhook_deliveries" ("next_attempt_at") WHERE "state" = 'PENDING'`,
    );
    await queryRunner.query(
      `CREATE INDEX "webhook_deliveries_log_idx" ON "webhook_deliveries" ("webhook_id", "id")`,
    );
    await queryRunner.query(
      `ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_webhook_fkey" FOREIGN KEY ("webhook_id") REFERENCES "webhooks"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "webhook_deliveries"`);
    await queryRunner.query(`DROP TABLE "webhooks"`);
  }
}
