/** People and what they may do. A password leaves this class only as a hash. */
import type { Page } from '#contracts/common';
import type { ChangePassword, CreatePerson, ListPeople, Me, Person, UpdatePerson } from '#contracts/people';
import type { RoleGrant } from '#contracts/roles';
import { PersonEntity } from '#database/entities/person.entity';
import { TeamEntity } from '#database/entities/team.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, In, MoreThan } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { nextWholeSecond } from '../auth/client-state.js';
import { hashPassword } from '../auth/passwords.js';
import { Sessions, endSessions } from '../auth/sessions.service.js';
import type { Caller, CallingPerson } from '../http/caller.js';
import { decodePageToken, encodePageToken } from '../http/page.js';
import { violatedConstraint } from '../http/violations.js';
import { changedGrants, maySee, requirePower } from './people-rules.js';
import { toPerson } from './people.mapper.js';

const PageKey = z.tuple([z.string()]);

@Injectable()
export class PeopleService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly sessions: Sessions,
  ) {}

  async create(input: z.output<typeof CreatePerson>, caller: Caller): Promise<Person> {
    requirePower(caller, input.roles);
    const row = newPerson(input.login, input.name ?? input.login, input.roles);
    if (input.password !== undefined) row.password_hash = await hashPassword(input.password);
    return this.transactions.write(caller, (tx) => insertPerson(tx, row));
  }

  /** A page may hold fewer rows than asked for: of those who belong to other teams nothing is shown. */
  async list(query: z.output<typeof ListPeople>, caller: Caller): Promise<Page<Person>> {
    const after = decodePageToken(query.page_token, PageKey);
    const rows = await this.dataSource.getRepository(PersonEntity).find({
      where: after ? { login: MoreThan(after[0]) } : {},
      order: { login: 'ASC' },
      take: query.page_size + 1,
    });
    const page = rows.slice(0, query.page_size);
    const items = page.map(toPerson).filter((person) => maySee(caller, person));
    const last = page.at(-1);
    return rows.length > page.length && last
      ? { items, next_page_token: encodePageToken([last.login]) }
      : { items };
  }

  async read(login: string, caller: Caller): Promise<Person> {
    const row = await this.dataSource.getRepository(PersonEntity).findOneBy({ login });
    if (!row || !maySee(caller, row)) throw notFound(login);
    return toPerson(row);
  }

  async me(caller: Caller): Promise<Me> {
    const { subject, scopes, person } = caller;
    const row = person && (await this.dataSource.getRepository(PersonEntity).findOneBy({ id: person.id }));
    return { subject, scopes: [...scopes], person: row ? toPerson(row) : null };
  }

  /** New roles hold at once: access tokens with the old ones are revoked, sessions go on. */
  async update(login: string, input: z.output<typeof UpdatePerson>, caller: Caller): Promise<Person> {
    const passwordHash = input.password === undefined ? undefined : await hashPassword(input.password);
    return this.change(login, caller, 'person.update', async (tx, row) => {
      const { name = row.name, roles = row.roles } = input;
      const changed = changedGrants(row.roles, roles);
      const isOnlyRoles = changed.length > 0 && passwordHash === undefined && name === row.name;
      // Who only gives or takes a role needs no power over the person's other teams.
      requirePower(caller, isOnlyRoles ? changed : [...row.roles, ...changed]);
      if (changed.length > 0) {
        await requireTeams(tx, roles);
        row.tokens_valid_from = nextWholeSecond(Date.now());
        tx.routingChanged();
      }
      Object.assign(row, { name, roles });
      if (passwordHash === undefined) return;
      row.password_hash = passwordHash;
      await endSessions(tx, row.id);
    });
  }

  disable(login: string, caller: Caller): Promise<Person> {
    return this.setDisabled(login, caller, new Date());
  }

  enable(login: string, caller: Caller): Promise<Person> {
    return this.setDisabled(login, caller, null);
  }

  signOut(login: string, caller: Caller): Promise<Person> {
    return this.change(login, caller, 'person.sign_out', async (tx, row) => {
      requirePower(caller, row.roles);
      await endSessions(tx, row.id);
    });
  }

  /** One's own. The session in which it happens goes on, the others end. */
  async changePassword(
    input: z.output<typeof ChangePassword>,
    caller: Caller & { readonly person: CallingPerson },
    address: string,
  ): Promise<void> {
    const { login, sessionId } = caller.person;
    await this.sessions.checkPassword(login, input.old_password, address);
    const passwordHash = await hashPassword(input.new_password);
    await this.change(login, caller, 'person.change_password', async (tx, row) => {
      row.password_hash = passwordHash;
      await endSessions(tx, row.id, sessionId);
    });
  }

  /** Disabling ends the sessions: enabling does not bring them back. */
  private setDisabled(login: string, caller: Caller, disabledAt: Date | null): Promise<Person> {
    const action = disabledAt ? 'person.disable' : 'person.enable';
    return this.change(login, caller, action, async (tx, row) => {
      requirePower(caller, row.roles);
      row.disabled_at = disabledAt && (row.disabled_at ?? disabledAt);
      if (disabledAt) await endSessions(tx, row.id);
      tx.routingChanged();
    });
  }

  private change(
    login: string,
    caller: Caller,
    action: string,
    work: (tx: WriteContext, row: PersonEntity) => Promise<void>,
  ): Promise<Person> {
    return this.transactions.write(caller, async (tx) => {
      const row = await tx.manager.findOne(PersonEntity, {
        where: { login },
        lock: { mode: 'pessimistic_write' },
      });
      if (!row) throw notFound(login);
      const before = toPerson(row);
      await work(tx, row);
      row.updated_at = new Date();
      const after = toPerson(await tx.manager.save(row));
      await tx.audit({ action, subject: `people/${login}`, before, after });
      return after;
    });
  }
}

/** Someone who cannot sign in yet. */
export function newPerson(login: string, name: string, roles: RoleGrant[]): PersonEntity {
  const now = new Date();
  return {
    id: uuidv7(),
    login,
    name,
    password_hash: null,
    roles,
    provider: null,
    provider_subject: null,
    tokens_valid_from: null,
    disabled_at: null,
    last_sign_in_at: null,
    created_at: now,
    updated_at: now,
  };
}

export async function insertPerson(tx: WriteContext, row: PersonEntity): Promise<Person> {
  await requireTeams(tx, row.roles);
  await tx.manager.insert(PersonEntity, row).catch((error: unknown) => {
    if (violatedConstraint(error) !== 'people_login_key') throw error;
    throw new SluiceError('ALREADY_EXISTS', `There is a person ${row.login} already.`);
  });
  await tx.audit({ action: 'person.create', subject: `people/${row.login}`, after: toPerson(row) });
  return toPerson(row);
}

/** Teams are never deleted, so what is right now stays right. */
async function requireTeams({ manager }: WriteContext, roles: readonly RoleGrant[]): Promise<void> {
  const names = roles.flatMap(({ team }) => team ?? []);
  const found = await manager.findBy(TeamEntity, { name: In(names) });
  const missing = names.find((name) => !found.some((team) => team.name === name));
  if (missing !== undefined) throw new SluiceError('TEAM_NOT_FOUND', `There is no team ${missing}.`);
}

const notFound = (login: string): SluiceError =>
  new SluiceError('PERSON_NOT_FOUND', `There is no person ${login}.`);
