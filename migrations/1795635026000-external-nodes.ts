import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ExternalNodes1795635026000 implements MigrationInterface {
  name = 'ExternalNodes1795635026000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "versions" ADD "external" boolean NOT NULL DEFAULT false`);
    await queryRunner.query(
      `CREATE TABLE "external_nodes" ("id" uuid NOT NULL, "name" text NOT NULL, "address" text NOT NULL, "authorization" text, "ca_pem" text, "server_name" text, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "external_nodes_name_key" UNIQUE ("name"), CONSTRAINT "external_nodes_pkey" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "external_replicas" ("node_id" uuid NOT NULL, "version_id" uuid NOT NULL, "served_model" text NOT NULL, "served_version" text, CONSTRAINT "external_replicas_pkey" PRIMARY KEY ("node_id", "version_id"))`,
    );
    await queryRunner.query(
      `CREATE INDEX "external_replicas_version_idx" ON "external_replicas"  ("version_id") `,
    );
    await queryRunner.query(
      `ALTER TABLE "external_replicas" ADD CONSTRAINT "external_replicas_node_fkey" FOREIGN KEY ("node_id") REFERENCES "external_nodes"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "external_replicas" ADD CONSTRAINT "external_replicas_version_fkey" FOREIGN KEY ("version_id") REFERENCES "versions"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "external_replicas"`);
    await queryRunner.query(`DROP TABLE "external_nodes"`);
    await queryRunner.query(`ALTER TABLE "versions" DROP COLUMN "external"`);
  }
}
