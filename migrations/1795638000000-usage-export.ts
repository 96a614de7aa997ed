import type { MigrationInterface, QueryRunner } from 'typeorm';

const totals = `jsonb_build_object('requests', COALESCE(sum(requests), 0), 'rows', COALESCE(sum(rows), 0),
  'request_bytes', COALESCE(sum(request_bytes), 0), 'response_bytes', COALESCE(sum(response_bytes), 0),
  'compute_us', COALESCE(sum(compute_us), 0))`;
const nothing = `'{"requests":0,"rows":0,"request_bytes":0,"response_bytes":0,"compute_us":0}'`;

/** Usage sent on as CloudEvents, and the accounts of gateways. What was counted before stands as one account of its own. */
export class UsageExport1795638000000 implements MigrationInterface {
  name = 'UsageExport1795638000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "usage_sources" ADD "taken" jsonb NOT NULL DEFAULT ${nothing}`);
    await queryRunner.query(`ALTER TABLE "usage_sources" ALTER COLUMN "taken" DROP DEFAULT`);
    await queryRunner.query(`ALTER TABLE "usage_sources" ADD "balance" jsonb`);
    await queryRunner.query(
      `INSERT INTO "usage_sources" ("source", "gateway", "last_sequence", "taken", "seen_at")
       SELECT '00000000-0000-0000-0000-000000000000', 'before accounts', 0, ${totals}, now() FROM "usage_hours" HAVING count(*) > 0`,
    );
    await queryRunner.query(
      `CREATE TABLE "usage_export" ("id" integer NOT NULL, "url" text NOT NULL, "token" text, "failures" integer NOT NULL DEFAULT '0', "last_error" text, "next_attempt_at" TIMESTAMP WITH TIME ZONE NOT NULL, "delivered_at" TIMESTAMP WITH TIME ZONE, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "usage_export_one_check" CHECK (id = 1), CONSTRAINT "usage_export_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "usage_events" ("source" uuid NOT NULL, "sequence" bigint NOT NULL, "position" integer NOT NULL, "row" jsonb NOT NULL, CONSTRAINT "usage_events_pkey" PRIMARY KEY ("source", "sequence", "position"))`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "usage_events"`);
    await queryRunner.query(`DROP TABLE "usage_export"`);
    await queryRunner.query(`DELETE FROM "usage_sources" WHERE "gateway" = 'before accounts'`);
    await queryRunner.query(`ALTER TABLE "usage_sources" DROP COLUMN "balance"`);
    await queryRunner.query(`ALTER TABLE "usage_sources" DROP COLUMN "taken"`);
  }
}
