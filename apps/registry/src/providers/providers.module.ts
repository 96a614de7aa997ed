import { Module } from '@nestjs/common';
import { OidcClient } from './oidc-client.js';
import { ProviderSignIn } from './provider-sign-in.js';
import { ProvidersController } from './providers.controller.js';
import { ProvidersService } from './providers.service.js';

@Module({ controllers: [ProvidersController], providers: [OidcClient, ProvidersService, ProviderSignIn] })
export class ProvidersModule {}
