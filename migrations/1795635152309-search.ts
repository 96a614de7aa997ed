import type { MigrationInterface, QueryRunner } from 'typeorm';

/** `words` of a text: names hold dashes, dots and slashes, which the parser of PostgreSQL would read as paths and hosts. */
const functions = [
  `CREATE FUNCTION "search_words"("text" text, "weight" "char") RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
     SELECT setweight(to_tsvector('simple', left(regexp_replace("text", '[^[:alnum:]]+', ' ', 'g'), 100000)), "weight") $$`,
  `CREATE FUNCTION "keep_search_document"("kind" text, "id" uuid, "words" tsvector, "hidden" boolean) RETURNS void LANGUAGE sql AS $$
     INSERT INTO "search_documents" AS d ("kind", "id", "words", "hidden") VALUES ($1, $2, $3, $4)
     ON CONFLICT ("kind", "id") DO UPDATE SET "words" = excluded."words", "hidden" = excluded."hidden" $$`,
];

/** What is found of each table, and when it is hidden. */
const tables = [
  {
    table: 'models',
    kind: 'model',
    id: 'id',
    columns: 'name, description, tags, archived_at',
    words: `search_words(NEW.name, 'A') || search_words(NEW.tags::text, 'B') || search_words(NEW.description, 'C')`,
    hidden: 'NEW.archived_at IS NOT NULL',
  },
  {
    table: 'model_cards',
    kind: 'card',
    id: 'model_id',
    columns: 'markdown',
    words: `search_words(NEW.markdown, 'D')`,
    hidden: 'false',
  },
  {
    table: 'versions',
    kind: 'version',
    id: 'id',
    columns: 'description, tags, archived_at',
    words: `search_words(NEW.tags::text, 'B') || search_words(NEW.description, 'C')`,
    hidden: 'NEW.archived_at IS NOT NULL',
  },
  {
    table: 'endpoints',
    kind: 'endpoint',
    id: 'id',
    columns: 'name',
    words: `search_words(NEW.name, 'A')`,
    hidden: 'false',
  },
  {
    table: 'experiments',
    kind: 'experiment',
    id: 'id',
    columns: 'name, tags, deleted_at',
    words: `search_words(NEW.name, 'A') || search_words(NEW.tags::text, 'B')`,
    hidden: 'NEW.deleted_at IS NOT NULL',
  },
  {
    table: 'runs',
    kind: 'run',
    id: 'id',
    columns: 'name, deleted_at',
    words: `search_words(NEW.name, 'A')`,
    hidden: 'NEW.deleted_at IS NOT NULL',
  },
] as const;

export class Search1795635152309 implements MigrationInterface {
  name = 'Search1795635152309';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "model_cards" ("model_id" uuid NOT NULL, "revision" integer NOT NULL, "markdown" text NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "created_by" text NOT NULL, CONSTRAINT "model_cards_revision_check" CHECK ("revision" >= 1), CONSTRAINT "model_cards_pkey" PRIMARY KEY ("model_id", "revision"))`,
    );
    await queryRunner.query(
      `ALTER TABLE "model_cards" ADD CONSTRAINT "model_cards_model_fkey" FOREIGN KEY ("model_id") REFERENCES "models"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await queryRunner.query(
      `CREATE TABLE "search_documents" ("kind" text NOT NULL, "id" uuid NOT NULL, "words" tsvector NOT NULL, "hidden" boolean NOT NULL, CONSTRAINT "search_documents_pkey" PRIMARY KEY ("kind", "id"))`,
    );
    await queryRunner.query(
      `CREATE INDEX "search_documents_words_idx" ON "search_documents" USING gin ("words")`,
    );
    for (const statement of functions) await queryRunner.query(statement);
    for (const { table, kind, id, columns, words, hidden } of tables) {
      await queryRunner.query(
        `CREATE FUNCTION "search_${table}"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF TG_OP = 'DELETE' THEN
             DELETE FROM search_documents d WHERE d.kind = '${kind}' AND d.id = OLD.${id};
           ELSE
             PERFORM keep_search_document('${kind}', NEW.${id}, ${words}, ${hidden});
           END IF;
           RETURN NULL;
         END $$`,
      );
      await queryRunner.query(
        `CREATE TRIGGER "search_${table}" AFTER INSERT OR DELETE OR UPDATE OF ${columns} ON "${table}" FOR EACH ROW EXECUTE FUNCTION "search_${table}"()`,
      );
      // What is there already is written once more, for the trigger to see it.
      const [column = ''] = columns.split(',');
      await queryRunner.query(`UPDATE "${table}" SET ${column} = ${column}`);
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const { table } of tables) {
      await queryRunner.query(`DROP TRIGGER "search_${table}" ON "${table}"`);
      await queryRunner.query(`DROP FUNCTION "search_${table}"()`);
    }
    await queryRunner.query(`DROP FUNCTION "keep_search_document"(text, uuid, tsvector, boolean)`);
    await queryRunner.query(`DROP FUNCTION "search_words"(text, "char")`);
    await queryRunner.query(`DROP TABLE "search_documents"`);
    await queryRunner.query(`DROP TABLE "model_cards"`);
  }
}
