import { Global, Module } from '@nestjs/common';
import { AdminBootstrap } from './admin-bootstrap.service.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { Authenticator } from './authenticator.js';
import { ClientCredentials } from './client-credentials.service.js';
import { JwtStrategy } from './jwt.strategy.js';
import { KeyRotation } from './key-rotation.js';
import { SigningKeys } from './signing-keys.service.js';
import { TokenIssuer } from './token-issuer.service.js';

@Global()
@Module({
  controllers: [AuthController],
  providers: [
    AdminBootstrap,
    AuthService,
    Authenticator,
    ClientCredentials,
    JwtStrategy,
    KeyRotation,
    SigningKeys,
    TokenIssuer,
  ],
  exports: [Authenticator, SigningKeys, TokenIssuer],
})
export class AuthModule {}
