import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Clients that are there already join the team `default`. */
export class Teams1795516200000 implements MigrationInterface {
  name = 'Teams1795516200000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "teams" ("id" uuid NOT NULL, "name" text NOT NULL, "time_zone" text NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "teams_name_key" UNIQUE ("name"), CONSTRAINT "teams_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `INSERT INTO "teams" VALUES ('019e0000-0000-7000-8000-000000000001', 'default', 'UTC', now(), now())`,
    );
    await queryRunner.query(`ALTER TABLE "clients" ADD "team" text NOT NULL DEFAULT 'default'`);
    await queryRunner.query(`ALTER TABLE "clients" ADD "endpoints" text array`);
    await queryRunner.query(`ALTER TABLE "clients" ADD "expires_at" TIMESTAMP WITH TIME ZONE`);
    await queryRunner.query(`ALTER TABLE "clients" ADD "old_secrets" jsonb NOT NULL DEFAULT '[]'`);
    await queryRunner.query(`CREATE INDEX "clients_team_idx" ON "clients" ("team")`);
    await queryRunner.query(
      `ALTER TABLE "clients" ADD CONSTRAINT "clients_team_fkey" FOREIGN KEY ("team") REFERENCES "teams"("name") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "clients" DROP CONSTRAINT "clients_team_fkey"`);
    await queryRunner.query(`DROP INDEX "public"."clients_team_idx"`);
    await queryRunner.query(`ALTER TABLE "clients" DROP COLUMN "old_secrets"`);
    await queryRunner.query(`ALTER TABLE "clients" DROP COLUMN "expires_at"`);
    await queryRunner.query(`ALTER TABLE "clients" DROP COLUMN "endpoints"`);
    await queryRunner.query(`ALTER TABLE "clients" DROP COLUMN "team"`);
    await queryRunner.query(`DROP TABLE "teams"`);
  }
}
