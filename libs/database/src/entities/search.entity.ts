import type { SearchKind } from '#contracts/search';
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** What the search looks at; triggers of the tables behind it keep it, so no writer can forget to. */
@Entity('search_documents')
@Index('search_documents_words_idx', { synchronize: false })
export class SearchDocumentEntity {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'search_documents_pkey' })
  kind!: SearchKind;
  /** Of the thing; of the model in the case of its card. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'search_documents_pkey' })
  id!: string;
  @Column('tsvector')
  words!: string;
  /** Archived or deleted. */
  @Column('boolean')
  hidden!: boolean;
}
