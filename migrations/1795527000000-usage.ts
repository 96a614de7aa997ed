import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Usage1795527000000 implements MigrationInterface {
  name = 'Usage1795527000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "usage_hours" ("hour" TIMESTAMP WITH TIME ZONE NOT NULL, "team" text NOT NULL, "client_id" text NOT NULL, "endpoint" text NOT NULL, "version" integer NOT NULL, "outcome" text NOT NULL, "requests" bigint NOT NULL, "request_bytes" bigint NOT NULL, "response_bytes" bigint NOT NULL, "node_us" bigint NOT NULL, CONSTRAINT "usage_hours_pkey" PRIMARY KEY ("hour", "team", "client_id", "endpoint", "version", "outcome"))`,
    );
    await queryRunner.query(`CREATE INDEX "usage_hours_team_idx" ON "usage_hours" ("team", "hour")`);
    await queryRunner.query(
      `CREATE TABLE "usage_sources" ("source" uuid NOT NULL, "gateway" text NOT NULL, "last_sequence" bigint NOT NULL, "seen_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "usage_sources_pkey" PRIMARY KEY ("source"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "prices" ("id" uuid NOT NULL, "endpoint" text, "unit" text NOT NULL, "currency" text NOT NULL, "price_per_million" numeric NOT NULL, "valid_from" TIMESTAMP WITH TIME ZONE NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "prices_validity_key" UNIQUE ("unit", "endpoint", "valid_from"), CONSTRAINT "prices_price_check" CHECK (price_per_million >= 0), CONSTRAINT "prices_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE UNIQUE INDEX "prices_general_key" ON "prices" ("unit", "valid_from") WHERE endpoint IS NULL`,
    );
    await queryRunner.query(`CREATE INDEX "prices_endpoint_idx" ON "prices" ("endpoint")`);
    await queryRunner.query(
      `ALTER TABLE "prices" ADD CONSTRAINT "prices_endpoint_fkey" FOREIGN KEY ("endpoint") REFERENCES "endpoints"("name") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "prices"`);
    await queryRunner.query(`DROP TABLE "usage_sources"`);
    await queryRunner.query(`DROP TABLE "usage_hours"`);
  }
}
