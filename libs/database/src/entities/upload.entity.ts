/** Resumable uploads: what has come so far, and of which pieces in the store it is made. */
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { bigint, instant } from '../columns.js';
import { ArtifactEntity, VersionEntity } from './version.entity.js';

@Entity('uploads')
@Index('uploads_created_by_idx', ['created_by', 'id'])
@Index('uploads_expires_at_idx', ['expires_at'])
@Index('uploads_artifact_idx', ['artifact_sha256'])
@Index('uploads_version_idx', ['version_id'])
@Check('uploads_received_check', '"received_bytes" BETWEEN 0 AND "size_bytes"')
@Check('uploads_finished_check', '"artifact_sha256" IS NULL OR "received_bytes" = "size_bytes"')
@ForeignKey(() => ArtifactEntity, ['artifact_sha256'], ['sha256'], { name: 'uploads_artifact_fkey' })
@ForeignKey(() => VersionEntity, ['version_id'], ['id'], { name: 'uploads_version_fkey' })
export class UploadEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'uploads_pkey' })
  id!: string;
  @Column('text', { nullable: true })
  filename!: string | null;
  @Column(bigint)
  size_bytes!: number;
  /** The sum of the pieces. Grows by comparing and setting it, so that of two writers at one offset one is refused. */
  @Column({ ...bigint, default: 0 })
  received_bytes!: number;
  /** The digest that the sender announced. */
  @Column('text', { nullable: true })
  expected_sha256!: string | null;
  /** The whole of it in the store, once it is finished. */
  @Column('text', { nullable: true })
  artifact_sha256!: string | null;
  /** The version that was made of it. */
  @Column('uuid', { nullable: true })
  version_id!: string | null;
  @Column(instant)
  expires_at!: Date;
  @Column(instant)
  created_at!: Date;
  @Column('text')
  created_by!: string;
}

@Entity('upload_pieces')
@Check('upload_pieces_size_check', '"size_bytes" > 0')
@ForeignKey(() => UploadEntity, ['upload_id'], ['id'], {
  name: 'upload_pieces_upload_fkey',
  onDelete: 'CASCADE',
})
export class UploadPieceEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'upload_pieces_pkey' })
  upload_id!: string;
  /** Where in the upload it begins. */
  @PrimaryColumn({ ...bigint, primaryKeyConstraintName: 'upload_pieces_pkey' })
  start_bytes!: number;
  @Column(bigint)
  size_bytes!: number;
  /** Its name in the piece store. */
  @Column('text')
  name!: string;
}
