import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Quotas that are there already go on as they are; their counts begin anew in the ledger. */
export class QuotaLeases1795528800000 implements MigrationInterface {
  name = 'QuotaLeases1795528800000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "quotas" DROP CONSTRAINT "quotas_window_check"`);
    await queryRunner.query(`ALTER TABLE "quotas" ALTER COLUMN "window" DROP NOT NULL`);
    await queryRunner.query(`ALTER TABLE "quotas" ADD "team" text`);
    await queryRunner.query(`ALTER TABLE "quotas" ADD "unit" text NOT NULL DEFAULT 'requests'`);
    await queryRunner.query(`ALTER TABLE "quotas" ADD "refill_per_second" double precision`);
    await queryRunner.query(`ALTER TABLE "quotas" ADD "mode" text NOT NULL DEFAULT 'enforce'`);
    await queryRunner.query(`ALTER TABLE "quotas" ADD "outage" text NOT NULL DEFAULT 'deny'`);
    await queryRunner.query(`ALTER TABLE "quotas" ADD "revision" integer NOT NULL DEFAULT 1`);
    await queryRunner.query(`UPDATE "quotas" SET "outage" = 'local_share' WHERE "window" = 'minute'`);
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_unit_check" CHECK ("unit" IN ('requests', 'concurrency'))`,
    );
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_window_check" CHECK ("window" IN ('second', 'minute', 'hour', 'day', 'month', 'bucket'))`,
    );
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_mode_check" CHECK ("mode" IN ('enforce', 'shadow'))`,
    );
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_outage_check" CHECK ("outage" IN ('deny', 'local_share', 'open'))`,
    );
    await queryRunner.query(`CREATE INDEX "quotas_team_idx" ON "quotas" ("team")`);
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_team_fkey" FOREIGN KEY ("team") REFERENCES "teams"("name") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `CREATE TABLE "quota_windows" ("quota_id" uuid NOT NULL, "key" text NOT NULL, "window_start" double precision NOT NULL, "used" bigint NOT NULL, "leased" bigint NOT NULL, CONSTRAINT "quota_windows_pkey" PRIMARY KEY ("quota_id", "key"))`,
    );
    await queryRunner.query(
      `ALTER TABLE "quota_windows" ADD CONSTRAINT "quota_windows_quota_fkey" FOREIGN KEY ("quota_id") REFERENCES "quotas"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `CREATE TABLE "quota_leases" ("quota_id" uuid NOT NULL, "key" text NOT NULL, "holder" uuid NOT NULL, "amount" bigint NOT NULL, "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "quota_leases_pkey" PRIMARY KEY ("quota_id", "key", "holder"))`,
    );
    await queryRunner.query(`CREATE INDEX "quota_leases_expires_idx" ON "quota_leases" ("expires_at")`);
    await queryRunner.query(
      `ALTER TABLE "quota_leases" ADD CONSTRAINT "quota_leases_window_fkey" FOREIGN KEY ("quota_id", "key") REFERENCES "quota_windows"("quota_id", "key") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `CREATE TABLE "quota_holders" ("holder" uuid NOT NULL, "gateway" text NOT NULL, "last_sequence" bigint NOT NULL, "last_answer" jsonb, "seen_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "quota_holders_pkey" PRIMARY KEY ("holder"))`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "quota_holders"`);
    await queryRunner.query(`DROP TABLE "quota_leases"`);
    await queryRunner.query(`DROP TABLE "quota_windows"`);
    await queryRunner.query(`ALTER TABLE "quotas" DROP CONSTRAINT "quotas_team_fkey"`);
    await queryRunner.query(`DROP INDEX "public"."quotas_team_idx"`);
    for (const name of ['outage', 'mode', 'window', 'unit'])
      await queryRunner.query(`ALTER TABLE "quotas" DROP CONSTRAINT "quotas_${name}_check"`);
    for (const name of ['revision', 'outage', 'mode', 'refill_per_second', 'unit', 'team'])
      await queryRunner.query(`ALTER TABLE "quotas" DROP COLUMN "${name}"`);
    await queryRunner.query(
      `DELETE FROM "quotas" WHERE "window" IS NULL OR "window" NOT IN ('minute', 'day')`,
    );
    await queryRunner.query(`ALTER TABLE "quotas" ALTER COLUMN "window" SET NOT NULL`);
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_window_check" CHECK ("window" IN ('minute', 'day'))`,
    );
  }
}
