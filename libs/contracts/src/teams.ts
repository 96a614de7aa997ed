/** Teams: each holds clients, and is what quotas and usage are counted for. */
import { z } from 'zod';
import { Id, Timestamp, pageOf, pageQuery } from './common.js';

/** Also what tokens carry, so it never changes. */
export const TeamName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must be a short lower-case word')
  .describe('Name of a team');

/** The team of a client that names none. It is there from the start. */
export const defaultTeam = 'default';

const TimeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, { error: 'must be an IANA time zone, such as Europe/Berlin' })
  .describe('IANA time zone of the team’s calendar');

function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

export const TeamParams = z.object({ team: TeamName });
export const Team = z
  .object({ id: Id, name: TeamName, time_zone: z.string(), created_at: Timestamp, updated_at: Timestamp })
  .meta({ id: 'Team' });
export type Team = z.infer<typeof Team>;
export const CreateTeam = z.strictObject({ name: TeamName, time_zone: TimeZone.default('UTC') });
export const UpdateTeam = z.strictObject({ time_zone: TimeZone });
export const ListTeams = z.strictObject({ ...pageQuery });
export const TeamPage = pageOf(Team);
