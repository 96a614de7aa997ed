import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ExternalHealth1795664582999 implements MigrationInterface {
  name = 'ExternalHealth1795664582999';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "external_reports" ("node_id" uuid NOT NULL, "version_id" uuid NOT NULL, "gateway" text NOT NULL, "is_ready" boolean NOT NULL, "reported_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "external_reports_pkey" PRIMARY KEY ("node_id", "version_id", "gateway"))`,
    );
    // Those that are there speak the Open Inference Protocol, and no other was known.
    await queryRunner.query(
      `ALTER TABLE "external_nodes" ADD "protocols" text array NOT NULL DEFAULT '{oip}'`,
    );
    await queryRunner.query(`ALTER TABLE "external_nodes" ALTER COLUMN "protocols" DROP DEFAULT`);
    await queryRunner.query(
      `ALTER TABLE "external_reports" ADD CONSTRAINT "external_reports_node_fkey" FOREIGN KEY ("node_id") REFERENCES "external_nodes"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `ALTER TABLE "external_reports" ADD CONSTRAINT "external_reports_version_fkey" FOREIGN KEY ("version_id") REFERENCES "versions"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "external_reports" DROP CONSTRAINT "external_reports_version_fkey"`);
    await queryRunner.query(`ALTER TABLE "external_reports" DROP CONSTRAINT "external_reports_node_fkey"`);
    await queryRunner.query(`ALTER TABLE "external_nodes" DROP COLUMN "protocols"`);
    await queryRunner.query(`DROP TABLE "external_reports"`);
  }
}
