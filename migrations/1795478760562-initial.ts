import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Initial1795478760562 implements MigrationInterface {
  name = 'Initial1795478760562';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "models" ("id" uuid NOT NULL, "name" text NOT NULL, "description" text NOT NULL DEFAULT '', "tags" jsonb NOT NULL DEFAULT '{}', "next_version" integer NOT NULL DEFAULT '1', "archived_at" TIMESTAMP WITH TIME ZONE, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "models_name_key" UNIQUE ("name"), CONSTRAINT "models_next_version_check" CHECK ("next_version" >= 1), CONSTRAINT "models_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "experiments" ("id" uuid NOT NULL, "name" text NOT NULL, "tags" jsonb NOT NULL DEFAULT '{}', "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "experiments_name_key" UNIQUE ("name"), CONSTRAINT "experiments_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "runs" ("id" uuid NOT NULL, "experiment_id" uuid NOT NULL, "name" text NOT NULL, "status" text NOT NULL DEFAULT 'RUNNING', "started_at" TIMESTAMP WITH TIME ZONE NOT NULL, "ended_at" TIMESTAMP WITH TIME ZONE, "created_by" text NOT NULL, CONSTRAINT "runs_end_check" CHECK (("status" = 'RUNNING') = ("ended_at" IS NULL)), CONSTRAINT "runs_status_check" CHECK ("status" IN ('RUNNING', 'FINISHED', 'FAILED', 'KILLED')), CONSTRAINT "runs_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(`CREATE INDEX "runs_experiment_idx" ON "runs"  ("experiment_id", "id") `);
    await queryRunner.query(
      `CREATE TABLE "run_params" ("run_id" uuid NOT NULL, "key" text NOT NULL, "value" text NOT NULL, CONSTRAINT "run_params_pkey" PRIMARY KEY ("run_id", "key"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "run_tags" ("run_id" uuid NOT NULL, "key" text NOT NULL, "value" text NOT NULL, CONSTRAINT "run_tags_pkey" PRIMARY KEY ("run_id", "key"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "metrics" ("run_id" uuid NOT NULL, "key" text NOT NULL, "step" bigint NOT NULL, "timestamp_ms" bigint NOT NULL, "value" double precision NOT NULL, CONSTRAINT "metrics_pkey" PRIMARY KEY ("run_id", "key", "step", "timestamp_ms", "value"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "latest_metrics" ("run_id" uuid NOT NULL, "key" text NOT NULL, "step" bigint NOT NULL, "timestamp_ms" bigint NOT NULL, "value" double precision NOT NULL, CONSTRAINT "latest_metrics_pkey" PRIMARY KEY ("run_id", "key"))`,
    );
    await queryRunner.query(`CREATE INDEX "latest_metrics_key_idx" ON "latest_metrics"  ("key", "value") `);
    await queryRunner.query(
      `CREATE TABLE "versions" ("id" uuid NOT NULL, "model_id" uuid NOT NULL, "number" integer NOT NULL, "status" text NOT NULL DEFAULT 'PENDING', "status_reason" text, "description" text NOT NULL DEFAULT '', "tags" jsonb NOT NULL DEFAULT '{}', "entry_file" text NOT NULL, "signature" jsonb, "profile" jsonb, "run_id" uuid, "config_revision" integer NOT NULL DEFAULT '1', "archived_at" TIMESTAMP WITH TIME ZONE, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_by" text NOT NULL, CONSTRAINT "versions_model_number_key" UNIQUE ("model_id", "number"), CONSTRAINT "versions_reason_check" CHECK ("status" <> 'FAILED' OR "status_reason" IS NOT NULL), CONSTRAINT "versions_status_check" CHECK ("status" IN ('PENDING', 'READY', 'FAILED')), CONSTRAINT "versions_number_check" CHECK ("number" >= 1), CONSTRAINT "versions_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE INDEX "versions_pending_idx" ON "versions"  ("created_at") WHERE "status" = 'PENDING'`,
    );
    await queryRunner.query(`CREATE INDEX "versions_run_idx" ON "versions"  ("run_id") `);
    await queryRunner.query(
      `CREATE TABLE "artifacts" ("sha256" text NOT NULL, "size_bytes" bigint NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "artifacts_size_check" CHECK ("size_bytes" >= 0), CONSTRAINT "artifacts_sha256_check" CHECK ("sha256" ~ '^[0-9a-f]{64}$'), CONSTRAINT "artifacts_pkey" PRIMARY KEY ("sha256"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "version_files" ("version_id" uuid NOT NULL, "path" text NOT NULL, "sha256" text NOT NULL, CONSTRAINT "version_files_pkey" PRIMARY KEY ("version_id", "path"))`,
    );
    await queryRunner.query(`CREATE INDEX "version_files_sha256_idx" ON "version_files"  ("sha256") `);
    await queryRunner.query(
      `CREATE TABLE "config_revisions" ("version_id" uuid NOT NULL, "revision" integer NOT NULL, "config" jsonb NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_by" text NOT NULL, CONSTRAINT "config_revisions_revision_check" CHECK ("revision" >= 1), CONSTRAINT "config_revisions_pkey" PRIMARY KEY ("version_id", "revision"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "aliases" ("model_id" uuid NOT NULL, "name" text NOT NULL, "version_number" integer NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "aliases_pkey" PRIMARY KEY ("model_id", "name"))`,
    );
    await queryRunner.query(
      `CREATE INDEX "aliases_version_idx" ON "aliases"  ("model_id", "version_number") `,
    );
    await queryRunner.query(
      `CREATE TABLE "endpoints" ("id" uuid NOT NULL, "name" text NOT NULL, "model_id" uuid NOT NULL, "revision" integer NOT NULL DEFAULT '1', "traffic" jsonb NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, "updated_by" text NOT NULL, CONSTRAINT "endpoints_name_key" UNIQUE ("name"), CONSTRAINT "endpoints_revision_check" CHECK ("revision" >= 1), CONSTRAINT "endpoints_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(`CREATE INDEX "endpoints_model_idx" ON "endpoints"  ("model_id") `);
    await queryRunner.query(
      `CREATE TABLE "traffic_targets" ("endpoint_id" uuid NOT NULL, "position" integer NOT NULL, "model_id" uuid NOT NULL, "version_number" integer, "alias" text, CONSTRAINT "traffic_targets_one_check" CHECK (("version_number" IS NULL) <> ("alias" IS NULL)), CONSTRAINT "traffic_targets_pkey" PRIMARY KEY ("endpoint_id", "position"))`,
    );
    await queryRunner.query(
      `CREATE INDEX "traffic_targets_alias_idx" ON "traffic_targets"  ("model_id", "alias") `,
    );
    await queryRunner.query(
      `CREATE INDEX "traffic_targets_version_idx" ON "traffic_targets"  ("model_id", "version_number") `,
    );
    await queryRunner.query(
      `CREATE TABLE "traffic_revisions" ("endpoint_id" uuid NOT NULL, "revision" integer NOT NULL, "traffic" jsonb NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_by" text NOT NULL, CONSTRAINT "traffic_revisions_pkey" PRIMARY KEY ("endpoint_id", "revision"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "clients" ("id" uuid NOT NULL, "client_id" text NOT NULL, "name" text NOT NULL, "secret_hash" text NOT NULL, "scopes" text array NOT NULL, "disabled_at" TIMESTAMP WITH TIME ZONE, "secret_rotated_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "clients_client_id_key" UNIQUE ("client_id"), CONSTRAINT "clients_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "signing_keys" ("kid" text NOT NULL, "algorithm" text NOT NULL, "public_jwk" jsonb NOT NULL, "private_pem" text NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "retired_at" TIMESTAMP WITH TIME ZONE, CONSTRAINT "signing_keys_algorithm_check" CHECK ("algorithm" IN ('RS256', 'ES256')), CONSTRAINT "signing_keys_pkey" PRIMARY KEY ("kid"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "quotas" ("id" uuid NOT NULL, "name" text NOT NULL, "client_id" text, "endpoint" text, "window" text NOT NULL, "limit" bigint NOT NULL, "per_client" boolean NOT NULL DEFAULT true, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "quotas_name_key" UNIQUE ("name"), CONSTRAINT "quotas_limit_check" CHECK ("limit" >= 0), CONSTRAINT "quotas_window_check" CHECK ("window" IN ('minute', 'day')), CONSTRAINT "quotas_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(`CREATE INDEX "quotas_endpoint_idx" ON "quotas"  ("endpoint") `);
    await queryRunner.query(`CREATE INDEX "quotas_client_idx" ON "quotas"  ("client_id") `);
    await queryRunner.query(
      `CREATE TABLE "audit_entries" ("id" uuid NOT NULL, "at" TIMESTAMP WITH TIME ZONE NOT NULL, "actor" text NOT NULL, "action" text NOT NULL, "subject" text NOT NULL, "before" jsonb, "after" jsonb, "request_id" text, CONSTRAINT "audit_entries_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE INDEX "audit_entries_subject_idx" ON "audit_entries"  ("subject", "id") `,
    );
    await queryRunner.query(`CREATE INDEX "audit_entries_action_idx" ON "audit_entries"  ("action", "id") `);
    await queryRunner.query(`CREATE INDEX "audit_entries_actor_idx" ON "audit_entries"  ("actor", "id") `);
    await queryRunner.query(
      `CREATE TABLE "nodes" ("id" uuid NOT NULL, "name" text NOT NULL, "address" text NOT NULL, "labels" jsonb NOT NULL DEFAULT '{}', "cores" integer NOT NULL, "memory_bytes" bigint NOT NULL, "program_version" text NOT NULL, "state" text NOT NULL, "cordoned" boolean NOT NULL DEFAULT false, "epoch" integer NOT NULL DEFAULT '1', "lease_expires_at" TIMESTAMP WITH TIME ZONE NOT NULL, "assignments_revision" integer NOT NULL DEFAULT '0', "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "nodes_name_key" UNIQUE ("name"), CONSTRAINT "nodes_state_check" CHECK ("state" IN ('READY', 'DRAINING', 'LOST')), CONSTRAINT "nodes_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(`CREATE INDEX "nodes_lease_idx" ON "nodes"  ("lease_expires_at") `);
    await queryRunner.query(
      `CREATE TABLE "replicas" ("node_id" uuid NOT NULL, "version_id" uuid NOT NULL, "wanted" boolean NOT NULL DEFAULT true, "config_revision" integer NOT NULL, "state" text NOT NULL, "reported_config_revision" integer, "reason" text, "attempts" integer NOT NULL DEFAULT '0', "retry_at" TIMESTAMP WITH TIME ZONE, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "replicas_reason_check" CHECK ("state" <> 'FAILED' OR "reason" IS NOT NULL), CONSTRAINT "replicas_state_check" CHECK ("state" IN ('ASSIGNED', 'FETCHING', 'LOADING', 'READY', 'DRAINING', 'FAILED')), CONSTRAINT "replicas_pkey" PRIMARY KEY ("node_id", "version_id"))`,
    );
    await queryRunner.query(`CREATE INDEX "replicas_version_idx" ON "replicas"  ("version_id") `);
    await queryRunner.query(
      `CREATE TABLE "snapshot_state" ("id" integer NOT NULL, "revision" bigint NOT NULL, CONSTRAINT "snapshot_state_single_check" CHECK ("id" = 1), CONSTRAINT "snapshot_state_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `ALTER TABLE "runs" ADD CONSTRAINT "runs_experiment_fkey" FOREIGN KEY ("experiment_id") REFERENCES "experiments"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "run_params" ADD CONSTRAINT "run_params_run_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "run_tags" ADD CONSTRAINT "run_tags_run_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "metrics" ADD CONSTRAINT "metrics_run_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "latest_metrics" ADD CONSTRAINT "latest_metrics_run_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "versions" ADD CONSTRAINT "versions_run_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "versions" ADD CONSTRAINT "versions_model_fkey" FOREIGN KEY ("model_id") REFERENCES "models"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "version_files" ADD CONSTRAINT "version_files_artifact_fkey" FOREIGN KEY ("sha256") REFERENCES "artifacts"("sha256") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "version_files" ADD CONSTRAINT "version_files_version_fkey" FOREIGN KEY ("version_id") REFERENCES "versions"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "config_revisions" ADD CONSTRAINT "config_revisions_version_fkey" FOREIGN KEY ("version_id") REFERENCES "versions"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "aliases" ADD CONSTRAINT "aliases_version_fkey" FOREIGN KEY ("model_id", "version_number") REFERENCES "versions"("model_id","number") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "endpoints" ADD CONSTRAINT "endpoints_model_fkey" FOREIGN KEY ("model_id") REFERENCES "models"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "traffic_targets" ADD CONSTRAINT "traffic_targets_alias_fkey" FOREIGN KEY ("model_id", "alias") REFERENCES "aliases"("model_id","name") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "traffic_targets" ADD CONSTRAINT "traffic_targets_version_fkey" FOREIGN KEY ("model_id", "version_number") REFERENCES "versions"("model_id","number") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "traffic_targets" ADD CONSTRAINT "traffic_targets_endpoint_fkey" FOREIGN KEY ("endpoint_id") REFERENCES "endpoints"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "traffic_revisions" ADD CONSTRAINT "traffic_revisions_endpoint_fkey" FOREIGN KEY ("endpoint_id") REFERENCES "endpoints"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_endpoint_fkey" FOREIGN KEY ("endpoint") REFERENCES "endpoints"("name") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "quotas" ADD CONSTRAINT "quotas_client_fkey" FOREIGN KEY ("client_id") REFERENCES "clients"("client_id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "replicas" ADD CONSTRAINT "replicas_version_fkey" FOREIGN KEY ("version_id") REFERENCES "versions"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "replicas" ADD CONSTRAINT "replicas_node_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "replicas" DROP CONSTRAINT "replicas_node_fkey"`);
    await queryRunner.query(`ALTER TABLE "replicas" DROP CONSTRAINT "replicas_version_fkey"`);
    await queryRunner.query(`ALTER TABLE "quotas" DROP CONSTRAINT "quotas_client_fkey"`);
    await queryRunner.query(`ALTER TABLE "quotas" DROP CONSTRAINT "quotas_endpoint_fkey"`);
    await queryRunner.query(
      `ALTER TABLE "traffic_revisions" DROP CONSTRAINT "traffic_revisions_endpoint_fkey"`,
    );
    await queryRunner.query(`ALTER TABLE "traffic_targets" DROP CONSTRAINT "traffic_targets_endpoint_fkey"`);
    await queryRunner.query(`ALTER TABLE "traffic_targets" DROP CONSTRAINT "traffic_targets_version_fkey"`);
    await queryRunner.query(`ALTER TABLE "traffic_targets" DROP CONSTRAINT "traffic_targets_alias_fkey"`);
    await queryRunner.query(`ALTER TABLE "endpoints" DROP CONSTRAINT "endpoints_model_fkey"`);
    await queryRunner.query(`ALTER TABLE "aliases" DROP CONSTRAINT "aliases_version_fkey"`);
    await queryRunner.query(`ALTER TABLE "config_revisions" DROP CONSTRAINT "config_revisions_version_fkey"`);
    await queryRunner.query(`ALTER TABLE "version_files" DROP CONSTRAINT "version_files_version_fkey"`);
    await queryRunner.query(`ALTER TABLE "version_files" DROP CONSTRAINT "version_files_artifact_fkey"`);
    await queryRunner.query(`ALTER TABLE "versions" DROP CONSTRAINT "versions_model_fkey"`);
    await queryRunner.query(`ALTER TABLE "versions" DROP CONSTRAINT "versions_run_fkey"`);
    await queryRunner.query(`ALTER TABLE "latest_metrics" DROP CONSTRAINT "latest_metrics_run_fkey"`);
    await queryRunner.query(`ALTER TABLE "metrics" DROP CONSTRAINT "metrics_run_fkey"`);
    await queryRunner.query(`ALTER TABLE "run_tags" DROP CONSTRAINT "run_tags_run_fkey"`);
    await queryRunner.query(`ALTER TABLE "run_params" DROP CONSTRAINT "run_params_run_fkey"`);
    await queryRunner.query(`ALTER TABLE "runs" DROP CONSTRAINT "runs_experiment_fkey"`);
    await queryRunner.query(`DROP TABLE "snapshot_state"`);
    await queryRunner.query(`DROP INDEX "public"."replicas_version_idx"`);
    await queryRunner.query(`DROP TABLE "replicas"`);
    await queryRunner.query(`DROP INDEX "public"."nodes_lease_idx"`);
    await queryRunner.query(`DROP TABLE "nodes"`);
    await queryRunner.query(`DROP INDEX "public"."audit_entries_actor_idx"`);
    await queryRunner.query(`DROP INDEX "public"."audit_entries_action_idx"`);
    await queryRunner.query(`DROP INDEX "public"."audit_entries_subject_idx"`);
    await queryRunner.query(`DROP TABLE "audit_entries"`);
    await queryRunner.query(`DROP INDEX "public"."quotas_client_idx"`);
    await queryRunner.query(`DROP INDEX "public"."quotas_endpoint_idx"`);
    await queryRunner.query(`DROP TABLE "quotas"`);
    await queryRunner.query(`DROP TABLE "signing_keys"`);
    await queryRunner.query(`DROP TABLE "clients"`);
    await queryRunner.query(`DROP TABLE "traffic_revisions"`);
    await queryRunner.query(`DROP INDEX "public"."traffic_targets_version_idx"`);
    await queryRunner.query(`DROP INDEX "public"."traffic_targets_alias_idx"`);
    await queryRunner.query(`DROP TABLE "traffic_targets"`);
    await queryRunner.query(`DROP INDEX "public"."endpoints_model_idx"`);
    await queryRunner.query(`DROP TABLE "endpoints"`);
    await queryRunner.query(`DROP INDEX "public"."aliases_version_idx"`);
    await queryRunner.query(`DROP TABLE "aliases"`);
    await queryRunner.query(`DROP TABLE "config_revisions"`);
    await queryRunner.query(`DROP INDEX "public"."version_files_sha256_idx"`);
    await queryRunner.query(`DROP TABLE "version_files"`);
    await queryRunner.query(`DROP TABLE "artifacts"`);
    await queryRunner.query(`DROP INDEX "public"."versions_run_idx"`);
    await queryRunner.query(`DROP INDEX "public"."versions_pending_idx"`);
    await queryRunner.query(`DROP TABLE "versions"`);
    await queryRunner.query(`DROP INDEX "public"."latest_metrics_key_idx"`);
    await queryRunner.query(`DROP TABLE "latest_metrics"`);
    await queryRunner.query(`DROP TABLE "metrics"`);
    await queryRunner.query(`DROP TABLE "run_tags"`);
    await queryRunner.query(`DROP TABLE "run_params"`);
    await queryRunner.query(`DROP INDEX "public"."runs_experiment_idx"`);
    await queryRunner.query(`DROP TABLE "runs"`);
    await queryRunner.query(`DROP TABLE "experiments"`);
    await queryRunner.query(`DROP TABLE "models"`);
  }
}
