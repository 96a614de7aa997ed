import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Counts with their leases in one row. What gateways hold at this moment counts as used; they begin anew as other holders. */
export class QuotaBlocks1795637000000 implements MigrationInterface {
  name = 'QuotaBlocks1795637000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "quotas" DROP CONSTRAINT "quotas_unit_check"`);
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_unit_check" CHECK ("unit" IN ('requests', 'rows', 'bytes', 'compute_ms', 'concurrency'))`,
    );
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD "alert_at" double precision array NOT NULL DEFAULT '{}'`,
    );
    await queryRunner.query(
      `CREATE TABLE "quota_overrides" ("quota_id" uuid NOT NULL, "key" text NOT NULL, "limit" bigint NOT NULL, "ends_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "quota_overrides_limit_check" CHECK ("limit" >= 0), CONSTRAINT "quota_overrides_pkey" PRIMARY KEY ("quota_id", "key"))`,
    );
    await queryRunner.query(`CREATE INDEX "quota_overrides_ends_idx" ON "quota_overrides" ("ends_at")`);
    await queryRunner.query(
      `ALTER TABLE "quota_overrides" ADD CONSTRAINT "quota_overrides_quota_fkey" FOREIGN KEY ("quota_id") REFERENCES "quotas"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(`DROP TABLE "quota_leases"`);
    await queryRunner.query(
      `UPDATE "quota_windows" w SET "used" = w."used" + w."leased" FROM "quotas" q WHERE q."id" = w."quota_id" AND q."unit" <> 'concurrency'`,
    );
    await queryRunner.query(`ALTER TABLE "quota_windows" DROP COLUMN "leased"`);
    await queryRunner.query(`ALTER TABLE "quota_windows" ADD "leases" jsonb NOT NULL DEFAULT '{}'`);
    await queryRunner.query(`ALTER TABLE "quota_windows" ADD "ahead" jsonb NOT NULL DEFAULT '{}'`);
    await queryRunner.query(`ALTER TABLE "quota_windows" ADD "alerted" double precision NOT NULL DEFAULT 0`);
    for (const name of ['leases', 'ahead', 'alerted'])
      await queryRunner.query(`ALTER TABLE "quota_windows" ALTER COLUMN "${name}" DROP DEFAULT`);
    // A row is rewritten at every lease call: with room on its page and no index touched, that leaves nothing behind.
    await queryRunner.query(`ALTER TABLE "quota_windows" SET (fillfactor = 50)`);
    await queryRunner.query(`DROP TABLE "quota_holders"`);
    await queryRunner.query(
      `CREATE TABLE "quota_holders" ("holder" uuid NOT NULL, "gateway" text NOT NULL, "last_sequence" bigint NOT NULL, "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL, "hold_ms" integer NOT NULL, "ended" boolean NOT NULL DEFAULT false, CONSTRAINT "quota_holders_pkey" PRIMARY KEY ("holder"))`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "quota_holders"`);
    await queryRunner.query(
      `CREATE TABLE "quota_holders" ("holder" uuid NOT NULL, "gateway" text NOT NULL, "last_sequence" bigint NOT NULL, "last_answer" jsonb, "seen_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "quota_holders_pkey" PRIMARY KEY ("holder"))`,
    );
    await queryRunner.query(`ALTER TABLE "quota_windows" RESET (fillfactor)`);
    for (const name of ['alerted', 'ahead', 'leases'])
      await queryRunner.query(`ALTER TABLE "quota_windows" DROP COLUMN "${name}"`);
    await queryRunner.query(`ALTER TABLE "quota_windows" ADD "leased" bigint NOT NULL DEFAULT 0`);
    await queryRunner.query(`ALTER TABLE "quota_windows" ALTER COLUMN "leased" DROP DEFAULT`);
    await queryRunner.query(
      `CREATE TABLE "quota_leases" ("quota_id" uuid NOT NULL, "key" text NOT NULL, "holder" uuid NOT NULL, "amount" bigint NOT NULL, "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "quota_leases_pkey" PRIMARY KEY ("quota_id", "key", "holder"))`,
    );
    await queryRunner.query(`CREATE INDEX "quota_leases_expires_idx" ON "quota_leases" ("expires_at")`);
    await queryRunner.query(
      `ALTER TABLE "quota_leases" ADD CONSTRAINT "quota_leases_window_fkey" FOREIGN KEY ("quota_id", "key") REFERENCES "quota_windows"("quota_id", "key") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(`DROP TABLE "quota_overrides"`);
    await queryRunner.query(`ALTER TABLE "quotas" DROP COLUMN "alert_at"`);
    await queryRunner.query(`DELETE FROM "quotas" WHERE "unit" = 'rows'`);
    await queryRunner.query(`ALTER TABLE "quotas" DROP CONSTRAINT "quotas_unit_check"`);
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_unit_check" CHECK ("unit" IN ('requests', 'bytes', 'compute_ms', 'concurrency'))`,
    );
  }
}
