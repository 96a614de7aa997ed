import type { MigrationInterface, QueryRunner } from 'typeorm';

export class People1795636000000 implements MigrationInterface {
  name = 'People1795636000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "people" ("id" uuid NOT NULL, "login" text NOT NULL, "name" text NOT NULL, "password_hash" text, "roles" jsonb NOT NULL, "provider" text, "provider_subject" text, "tokens_valid_from" TIMESTAMP WITH TIME ZONE, "disabled_at" TIMESTAMP WITH TIME ZONE, "last_sign_in_at" TIMESTAMP WITH TIME ZONE, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "people_provider_key" UNIQUE ("provider", "provider_subject"), CONSTRAINT "people_login_key" UNIQUE ("login"), CONSTRAINT "people_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "sessions" ("id" uuid NOT NULL, "person_id" uuid NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL, "ended_at" TIMESTAMP WITH TIME ZONE, CONSTRAINT "sessions_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(`CREATE INDEX "sessions_ended_idx" ON "sessions"  ("ended_at") `);
    await queryRunner.query(`CREATE INDEX "sessions_person_idx" ON "sessions"  ("person_id") `);
    await queryRunner.query(
      `CREATE TABLE "refresh_tokens" ("hash" text NOT NULL, "session_id" uuid NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "used_at" TIMESTAMP WITH TIME ZONE, CONSTRAINT "refresh_tokens_pkey" PRIMARY KEY ("hash"))`,
    );
    await queryRunner.query(`CREATE INDEX "refresh_tokens_session_idx" ON "refresh_tokens"  ("session_id") `);
    await queryRunner.query(
      `CREATE TABLE "sign_in_attempts" ("key" text NOT NULL, "remaining" double precision NOT NULL, "at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "sign_in_attempts_pkey" PRIMARY KEY ("key"))`,
    );
    await queryRunner.query(`CREATE INDEX "sign_in_attempts_at_idx" ON "sign_in_attempts"  ("at") `);
    await queryRunner.query(
      `ALTER TABLE "sessions" ADD CONSTRAINT "sessions_person_fkey" FOREIGN KEY ("person_id") REFERENCES "people"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "refresh_tokens" ADD CONSTRAINT "refresh_tokens_session_fkey" FOREIGN KEY ("session_id") REFERENCES "sessions"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "refresh_tokens" DROP CONSTRAINT "refresh_tokens_session_fkey"`);
    await queryRunner.query(`ALTER TABLE "sessions" DROP CONSTRAINT "sessions_person_fkey"`);
    await queryRunner.query(`DROP INDEX "public"."sign_in_attempts_at_idx"`);
    await queryRunner.query(`DROP TABLE "sign_in_attempts"`);
    await queryRunner.query(`DROP INDEX "public"."refresh_tokens_session_idx"`);
    await queryRunner.query(`DROP TABLE "refresh_tokens"`);
    await queryRunner.query(`DROP INDEX "public"."sessions_person_idx"`);
    await queryRunner.query(`DROP INDEX "public"."sessions_ended_idx"`);
    await queryRunner.query(`DROP TABLE "sessions"`);
    await queryRunner.query(`DROP TABLE "people"`);
  }
}
