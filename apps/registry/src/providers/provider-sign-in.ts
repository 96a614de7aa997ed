/**
 * Signing in by a provider. A person is who the provider's name and its `sub` say, never who an e-mail address says: an address
 * that is here already belongs to someone else. The state is good once, and for the browser alone that was sent.
 */
import type { SessionTokens } from '#contracts/people';
import { Login } from '#contracts/people';
import type { RoleMapping } from '#contracts/providers';
import type { RoleGrant } from '#contracts/roles';
import { PersonEntity } from '#database/entities/person.entity';
import { SignInFlowEntity, SignInProviderEntity } from '#database/entities/provider.entity';
import { Transactions } from '#database/transactions';
import { claimAt, wordsOf } from '#platform/claim-mapping';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { DataSource } from 'typeorm';
import { nextWholeSecond, requireUsablePerson } from '../auth/client-state.js';
import { digestOf } from '../auth/secrets.js';
import { Sessions } from '../auth/sessions.service.js';
import { Throttle } from '../auth/throttle.js';
import { insertPerson, newPerson } from '../people/people.service.js';
import { toPerson } from '../people/people.mapper.js';
import { OidcClient } from './oidc-client.js';

/** For how long someone may be at the provider. */
const flowTtlMs = 600_000;

export interface Started {
  readonly url: string;
  /** For a cookie of the browser. */
  readonly browser: string;
}

export interface CameBack {
  readonly state: string;
  /** Path and query of the request. */
  readonly path: string;
  readonly browser: string | undefined;
  readonly address: string;
  readonly requestId: string;
}

@Injectable()
export class ProviderSignIn {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly oidc: OidcClient,
    private readonly sessions: Sessions,
    private readonly throttle: Throttle,
  ) {}

  async start(name: string): Promise<Started> {
    const provider = await this.provider(name);
    const proof = this.oidc.newProof();
    const browser = randomBytes(32).toString('base64url');
    const url = await this.oidc.authorizationUrl(provider, proof);
    await this.dataSource.getRepository(SignInFlowEntity).insert({
      state_hash: digestOf(proof.state),
      browser_hash: digestOf(browser),
      provider: name,
      nonce: proof.nonce,
      code_verifier: proof.codeVerifier,
      expires_at: new Date(Date.now() + flowTtlMs),
    });
    return { url: url.href, browser };
  }

  finish(name: string, back: CameBack): Promise<SessionTokens> {
    return this.throttle.guard({ name: undefined, address: back.address }, async () => {
      const provider = await this.provider(name);
      const flow = await this.take(name, back);
      const proof = { state: back.state, nonce: flow.nonce, codeVerifier: flow.code_verifier };
      const claims = await this.oidc.claims(provider, back.path, proof);
      const person = await this.personOf(provider, claims, back.requestId);
      requireUsablePerson(person);
      return this.sessions.begin(person, back.requestId);
    });
  }

  /** @throws SluiceError INVALID_GRANT unless this browser began it, at this provider, not long ago, and has not been here yet */
  private async take(name: string, { state, browser }: CameBack): Promise<SignInFlowEntity> {
    const [rows] = await this.dataSource.query<[SignInFlowEntity[], number]>(
      'DELETE FROM sign_in_flows WHERE state_hash = $1 AND browser_hash = $2 RETURNING *',
      [digestOf(state), digestOf(browser ?? '')],
    );
    const flow = rows[0];
    if (flow?.provider === name && flow.expires_at.getTime() > Date.now()) return flow;
    throw new SluiceError(
      'INVALID_GRANT',
      'This sign-in was not begun in this browser, or it is over. Start again.',
    );
  }

  private async provider(name: string): Promise<SignInProviderEntity> {
    const row = await this.dataSource.getRepository(SignInProviderEntity).findOneBy({ name });
    if (row && !row.disabled_at) return row;
    throw new SluiceError('PROVIDER_NOT_FOUND', `One cannot sign in by a provider ${name} here.`);
  }

  /** Makes the person at the first time; from then on the claims decide about the roles only, if they are mapped. */
  private personOf(
    provider: SignInProviderEntity,
    claims: Record<string, unknown>,
    requestId: string,
  ): Promise<PersonEntity> {
    const subject = String(claims['sub']);
    const roles = rolesFrom(provider.roles, claims);
    return this.transactions.write({ subject: `provider:${provider.name}`, requestId }, async (tx) => {
      const known = await tx.manager.findOne(PersonEntity, {
        where: { provider: provider.name, provider_subject: subject },
        lock: { mode: 'pessimistic_write' },
      });
      if (!known) {
        const login = loginFrom(provider.login_claim, claims);
        const row = newPerson(login, login, roles ?? []);
        Object.assign(row, { provider: provider.name, provider_subject: subject });
        await insertPerson(tx, row);
        return row;
      }
      if (!roles || isDeepStrictEqual(known.roles, roles)) return known;
      const before = toPerson(known);
      Object.assign(known, { roles, tokens_valid_from: nextWholeSecond(Date.now()), updated_at: new Date() });
      const after = toPerson(await tx.manager.save(known));
      await tx.audit({ action: 'person.update', subject: `people/${known.login}`, before, after });
      tx.routingChanged();
      return known;
    });
  }
}

/** @throws SluiceError FORBIDDEN when the claim is not there, is no login, or is an address that nobody has checked */
export function loginFrom(claim: string, claims: Record<string, unknown>): string {
  const value = claimAt(claims, claim);
  const login = Login.safeParse(typeof value === 'string' ? value.toLowerCase() : undefined);
  const isUnchecked = claim === 'email' && claims['email_verified'] === false;
  if (login.success && !isUnchecked) return login.data;
  throw new SluiceError('FORBIDDEN', `Your provider’s claim "${claim}" does not say who you are.`);
}

/** undefined: not from the claims. @throws SluiceError FORBIDDEN when they give none */
export function rolesFrom(mapping: RoleMapping, claims: Record<string, unknown>): RoleGrant[] | undefined {
  if (mapping === null) return undefined;
  const words = wordsOf(claimAt(claims, mapping.claim));
  const grants = words.flatMap((word) => (Object.hasOwn(mapping.map, word) ? (mapping.map[word] ?? []) : []));
  if (grants.length === 0)
    throw new SluiceError('FORBIDDEN', `Your provider’s claim "${mapping.claim}" gives you no role here.`);
  return strongest(grants);
}

const order: readonly RoleGrant['role'][] = ['viewer', 'publisher', 'operator', 'admin'];

/** Of several roles in one team the highest counts. */
function strongest(grants: readonly RoleGrant[]): RoleGrant[] {
  const byTeam = new Map<string | null, RoleGrant>();
  for (const grant of grants) {
    const other = byTeam.get(grant.team);
    if (!other || order.indexOf(grant.role) > order.indexOf(other.role)) byTeam.set(grant.team, grant);
  }
  return [...byTeam.values()];
}
