/** Teams. A name never changes, because tokens and usage carry it; gateways learn of the rest by the snapshot. */
import type { Page } from '#contracts/common';
import type { CreateTeam, ListTeams, Team, UpdateTeam } from '#contracts/teams';
import { TeamEntity } from '#database/entities/team.entity';
import { Transactions } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { And, DataSource, In, IsNull, MoreThan, Not } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { requireIn, teamsWith } from '../auth/team-access.js';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { violatedConstraint } from '../http/violations.js';
import { toTeam } from './teams.mapper.js';

const PageKey = z.tuple([z.string()]);

@Injectable()
export class TeamsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
  ) {}

  create(input: z.output<typeof CreateTeam>, caller: Caller): Promise<Team> {
    requireIn(caller, null, 'teams:write');
    const now = new Date();
    const row: TeamEntity = { id: uuidv7(), ...input, created_at: now, updated_at: now };
    return this.transactions.write(caller, async (tx) => {
      await tx.manager.insert(TeamEntity, row).catch((error: unknown) => {
        if (violatedConstraint(error) !== 'teams_name_key') throw error;
        throw new SluiceError('ALREADY_EXISTS', `There is a team ${row.name} already.`);
      });
      await tx.audit({ action: 'team.create', subject: `teams/${row.name}`, after: toTeam(row) });
      tx.routingChanged();
      return toTeam(row);
    });
  }

  async list(query: z.output<typeof ListTeams>, caller: Caller): Promise<Page<Team>> {
    const teams = teamsWith(caller, 'teams:read');
    const after = decodePageToken(query.page_token, PageKey);
    const rows = await this.dataSource.getRepository(TeamEntity).find({
      where: { name: And(MoreThan(after?.[0] ?? ''), teams ? In(teams) : Not(IsNull())) },
      order: { name: 'ASC' },
      take: query.page_size + 1,
    });
    return toPage(rows.map(toTeam), query.page_size, (team) => [team.name]);
  }

  update(name: string, input: z.output<typeof UpdateTeam>, caller: Caller): Promise<Team> {
    requireIn(caller, name, 'teams:write');
    return this.transactions.write(caller, async (tx) => {
      const row = await tx.manager.findOne(TeamEntity, {
        where: { name },
        lock: { mode: 'pessimistic_write' },
      });
      if (!row) throw new SluiceError('TEAM_NOT_FOUND', `There is no team ${name}.`);
      if (row.time_zone === input.time_zone) return toTeam(row);
      const before = toTeam(row);
      row.time_zone = input.time_zone;
      row.updated_at = new Date();
      const after = toTeam(await tx.manager.save(row));
      await tx.audit({ action: 'team.update', subject: `teams/${name}`, before, after });
      tx.routingChanged();
      return after;
    });
  }
}
