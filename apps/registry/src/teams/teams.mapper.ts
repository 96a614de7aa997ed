import type { Team } from '#contracts/teams';
import type { TeamEntity } from '#database/entities/team.entity';

export const toTeam = (row: TeamEntity): Team => ({
  id: row.id,
  name: row.name,
  time_zone: row.time_zone,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
});
