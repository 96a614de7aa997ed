/** The conversation with an OpenID Connect provider, by openid-client: discovery, authorization code with PKCE, state and nonce. */
import { SignInProviderEntity } from '#database/entities/provider.entity';
import { SluiceError, messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import * as oidc from 'openid-client';
import { fetch as undiciFetch } from 'undici';
import type { RequestInit } from 'undici';
import { fromStored } from '../auth/key-seal.js';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { outboundAgent, requirePublicHost } from '../http/outbound.js';
import { redirectUri, secretName } from './providers.mapper.js';

/** What must come back, or be sent along, with the code. */
export interface Proof {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

@Injectable()
export class OidcClient implements OnModuleDestroy {
  private readonly agent;

  constructor(
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.agent = outboundAgent(config.SLUICE_ISSUER_PRIVATE_ADDRESSES);
  }

  async onModuleDestroy(): Promise<void> {
    await this.agent.close();
  }

  newProof(): Proof {
    return {
      state: oidc.randomState(),
      nonce: oidc.randomNonce(),
      codeVerifier: oidc.randomPKCECodeVerifier(),
    };
  }

  /** Where to send the browser. @throws SluiceError PROVIDER_FAILED */
  authorizationUrl(provider: SignInProviderEntity, proof: Proof): Promise<URL> {
    return this.talk(provider, async (server) =>
      oidc.buildAuthorizationUrl(server, {
        redirect_uri: redirectUri(provider.name, this.config.SLUICE_PUBLIC_URL),
        scope: provider.scopes.join(' '),
        state: proof.state,
        nonce: proof.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(proof.codeVerifier),
        code_challenge_method: 'S256',
      }),
    );
  }

  /**
   * The claims of the person that the provider vouches for. @param path and query of the request that came back
   * @throws SluiceError PROVIDER_FAILED
   */
  claims(provider: SignInProviderEntity, path: string, proof: Proof): Promise<Record<string, unknown>> {
    return this.talk(provider, async (server) => {
      const url = new URL(path, this.config.SLUICE_PUBLIC_URL);
      const tokens = await oidc.authorizationCodeGrant(server, url, {
        expectedState: proof.state,
        expectedNonce: proof.nonce,
        pkceCodeVerifier: proof.codeVerifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (!claims) throw new Error('there is no id token');
      const hasMore = server.serverMetadata().userinfo_endpoint !== undefined;
      const more = hasMore ? await oidc.fetchUserInfo(server, tokens.access_token, claims.sub) : {};
      return { ...more, ...claims };
    });
  }

  private async talk<T>(
    provider: SignInProviderEntity,
    conversation: (server: oidc.Configuration) => Promise<T>,
  ): Promise<T> {
    try {
      return await conversation(await this.discover(provider));
    } catch (cause) {
      this.logger.warn(
        { provider: provider.name, reason: messageOf(cause) },
        'a sign-in by a provider failed',
      );
      const detail = `The sign-in by ${provider.name} did not succeed. Start again; the registry’s log says why.`;
      throw new SluiceError('PROVIDER_FAILED', detail, { cause });
    }
  }

  private discover({
    name,
    issuer,
    client_id,
    client_secret,
  }: SignInProviderEntity): Promise<oidc.Configuration> {
    const mayBeInside = this.config.SLUICE_ISSUER_PRIVATE_ADDRESSES;
    const secret =
      client_secret && fromStored(client_secret, secretName(name), this.config.SLUICE_MASTER_KEY);
    return oidc.discovery(
      new URL(issuer),
      client_id,
      {},
      secret === null ? oidc.None() : oidc.ClientSecretPost(secret),
      {
        timeout: 10,
        ...(mayBeInside ? { execute: [oidc.allowInsecureRequests] } : {}),
        [oidc.customFetch]: (url, options) => this.fetch(url, options),
      },
    );
  }

  /** Redirects are not followed: they would lead around the check of the address. */
  private async fetch(url: string, options: oidc.CustomFetchOptions): Promise<Response> {
    if (!this.config.SLUICE_ISSUER_PRIVATE_ADDRESSES) requirePublicHost(url);
    const answer = await undiciFetch(url, {
      ...(options as RequestInit),
      redirect: 'manual',
      dispatcher: this.agent,
    });
    return answer;
  }
}
