import { Column, Entity, PrimaryColumn, Unique } from 'typeorm';
import { instant } from '../columns.js';

@Entity('teams')
@Unique('teams_name_key', ['name'])
export class TeamEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'teams_pkey' })
  id!: string;
  @Column('text')
  name!: string;
  @Column('text')
  time_zone!: string;
  @Column(instant)
  created_at!: Date;
  @Column(instant)
  updated_at!: Date;
}
