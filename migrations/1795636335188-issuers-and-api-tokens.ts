import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IssuersAndApiTokens1795636335188 implements MigrationInterface {
  name = 'IssuersAndApiTokens1795636335188';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "api_tokens" ("id" uuid NOT NULL, "hash" text NOT NULL, "name" text NOT NULL, "client_id" text, "person_id" uuid, "scopes" text array NOT NULL, "created_by" text NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "expires_at" TIMESTAMP WITH TIME ZONE, "last_used_at" TIMESTAMP WITH TIME ZONE, "revoked_at" TIMESTAMP WITH TIME ZONE, CONSTRAINT "api_tokens_hash_key" UNIQUE ("hash"), CONSTRAINT "api_tokens_holder_check" CHECK (("client_id" IS NULL) <> ("person_id" IS NULL)), CONSTRAINT "api_tokens_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(`CREATE INDEX "api_tokens_person_idx" ON "api_tokens"  ("person_id") `);
    await queryRunner.query(`CREATE INDEX "api_tokens_client_idx" ON "api_tokens"  ("client_id") `);
    await queryRunner.query(
      `CREATE TABLE "issuers" ("name" text NOT NULL, "issuer" text NOT NULL, "jwks_url" text, "audiences" text array NOT NULL, "algorithms" text array NOT NULL, "mapping" jsonb NOT NULL, "jwks" jsonb NOT NULL, "keys_fetched_at" TIMESTAMP WITH TIME ZONE, "keys_tried_at" TIMESTAMP WITH TIME ZONE, "keys_error" text, "disabled_at" TIMESTAMP WITH TIME ZONE, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "issuers_issuer_key" UNIQUE ("issuer"), CONSTRAINT "issuers_pkey" PRIMARY KEY ("name"))`,
    );
    await queryRunner.query(
      `ALTER TABLE "api_tokens" ADD CONSTRAINT "api_tokens_person_fkey" FOREIGN KEY ("person_id") REFERENCES "people"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "api_tokens" ADD CONSTRAINT "api_tokens_client_fkey" FOREIGN KEY ("client_id") REFERENCES "clients"("client_id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "api_tokens" DROP CONSTRAINT "api_tokens_client_fkey"`);
    await queryRunner.query(`ALTER TABLE "api_tokens" DROP CONSTRAINT "api_tokens_person_fkey"`);
    await queryRunner.query(`DROP TABLE "issuers"`);
    await queryRunner.query(`DROP INDEX "public"."api_tokens_client_idx"`);
    await queryRunner.query(`DROP INDEX "public"."api_tokens_person_idx"`);
    await queryRunner.query(`DROP TABLE "api_tokens"`);
  }
}
