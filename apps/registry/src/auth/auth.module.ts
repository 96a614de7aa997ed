import { Global, Module } from '@nestjs/common';
import { AdminBootstrap } from './admin-bootstrap.service.js';
import { ApiTokenLogin } from './api-token-login.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { Authenticator } from './authenticator.js';
import { ClientCredentials } from './client-credentials.service.js';
import { Callers } from './callers.js';
import { IdentitySweeper } from './identity-sweeper.js';
import { IssuerKeys } from './issuer-keys.js';
import { JwtStrategy } from './jwt.strategy.js';
import { KeyRotation } from './key-rotation.js';
import { Sessions } from './sessions.service.js';
import { SigningKeys } from './signing-keys.service.js';
import { Throttle } from './throttle.js';
import { Trust } from './trust.js';
import { TokenIssuer } from './token-issuer.service.js';

@Global()
@Module({
  controllers: [AuthController],
  providers: [
    AdminBootstrap,
    AuthService,
    ApiTokenLogin,
    Authenticator,
    Callers,
    ClientCredentials,
    IdentitySweeper,
    IssuerKeys,
    JwtStrategy,
    KeyRotation,
    Sessions,
    SigningKeys,
    Throttle,
    TokenIssuer,
    Trust,
  ],
  exports: [Authenticator, IssuerKeys, Sessions, SigningKeys, Throttle, TokenIssuer],
})
export class AuthModule {}
