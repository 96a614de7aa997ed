import type { MigrationInterface, QueryRunner } from 'typeorm';

export class SignInProviders1795638197791 implements MigrationInterface {
  name = 'SignInProviders1795638197791';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "sign_in_providers" ("name" text NOT NULL, "issuer" text NOT NULL, "client_id" text NOT NULL, "client_secret" text, "scopes" text array NOT NULL, "login_claim" text NOT NULL, "roles" jsonb, "disabled_at" TIMESTAMP WITH TIME ZONE, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "sign_in_providers_pkey" PRIMARY KEY ("name"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "sign_in_flows" ("state_hash" text NOT NULL, "browser_hash" text NOT NULL, "provider" text NOT NULL, "nonce" text NOT NULL, "code_verifier" text NOT NULL, "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "sign_in_flows_pkey" PRIMARY KEY ("state_hash"))`,
    );
    await queryRunner.query(`CREATE INDEX "sign_in_flows_expires_idx" ON "sign_in_flows"  ("expires_at") `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX "public"."sign_in_flows_expires_idx"`);
    await queryRunner.query(`DROP TABLE "sign_in_flows"`);
    await queryRunner.query(`DROP TABLE "sign_in_providers"`);
  }
}
