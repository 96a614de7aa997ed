/** Signs tokens. Who may get one is decided by the callers. */
import type { RoleGrant } from '#contracts/roles';
import { defaultTeam } from '#contracts/teams';
import type { ClientEntity } from '#database/entities/client.entity';
import type { PersonEntity } from '#database/entities/person.entity';
import { Inject, Injectable } from '@nestjs/common';
import { SignJWT } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { SigningKeys } from './signing-keys.service.js';

export interface IssuedToken {
  readonly token: string;
  readonly expiresInS: number;
}

type TokenHolder = Pick<ClientEntity, 'client_id' | 'team' | 'tokens_valid_from'>;

interface Subject {
  readonly sub: string;
  readonly scope: string;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly notBefore?: Date | null;
}

@Injectable()
export class TokenIssuer {
  constructor(
    private readonly keys: SigningKeys,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  issueForClient(client: TokenHolder, scopes: readonly string[]): Promise<IssuedToken> {
    const claims = { client_id: client.client_id, team: client.team };
    const notBefore = client.tokens_valid_from;
    return this.sign({ sub: `client:${client.client_id}`, scope: scopes.join(' '), claims, notBefore });
  }

  /** A person's usage counts for the team that is named first among the roles. */
  issueForPerson(person: PersonEntity, sessionId: string, scopes: readonly string[]): Promise<IssuedToken> {
    const claims = { sid: sessionId, team: teamOfRoles(person.roles) };
    const notBefore = person.tokens_valid_from;
    return this.sign({ sub: `person:${person.login}`, scope: scopes.join(' '), claims, notBefore });
  }

  /** @param epoch which registration of the node the credential belongs to */
  issueForNode(nodeId: string, epoch: number): Promise<IssuedToken> {
    return this.sign({ sub: `node:${nodeId}`, scope: 'node', claims: { epoch } });
  }

  issueForGateway(gatewayId: string): Promise<IssuedToken> {
    return this.sign({ sub: `gateway:${gatewayId}`, scope: 'gateway' });
  }

  private async sign({ sub, scope, claims, notBefore }: Subject): Promise<IssuedToken> {
    const { kid, algorithm, privateKey } = await this.keys.signingKey();
    const expiresInS = this.config.SLUICE_TOKEN_TTL_S;
    // Less than a second ahead, right after the client's tokens were revoked: or it would be revoked with them.
    const issuedAtS = Math.max(Math.floor(Date.now() / 1_000), (notBefore?.getTime() ?? 0) / 1_000);
    const token = await new SignJWT({ ...claims, scope })
      .setProtectedHeader({ alg: algorithm, kid, typ: 'JWT' })
      .setIssuer(this.config.SLUICE_ISSUER)
      .setAudience(this.config.SLUICE_AUDIENCE)
      .setSubject(sub)
      .setIssuedAt(issuedAtS)
      .setExpirationTime(issuedAtS + expiresInS)
      .setJti(uuidv7())
      .sign(privateKey);
    return { token, expiresInS };
  }
}

/** For which team the usage of someone with these roles counts. */
export const teamOfRoles = (roles: readonly RoleGrant[]): string =>
  roles.find(({ team }) => team !== null)?.team ?? defaultTeam;
