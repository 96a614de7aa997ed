import { Global, Module } from '@nestjs/common';
import { AdminBootstrap } from './admin-bootstrap.service.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { Authenticator } from './authenticator.js';
import { ClientCredentials } from './client-credentials.service.js';
import { Callers } from './callers.js';
import { IdentitySweeper } from './identity-sweeper.js';
import { JwtStrategy } from './jwt.strategy.js';
import { KeyRotation } from './key-rotation.js';
import { Sessions } from './sessions.service.js';
import { SigningKeys } from './signing-keys.service.js';
import { Throttle } from './throttle.js';
import { TokenIssuer } from './token-issuer.service.js';

@Global()
@Module({
  controllers: [AuthController],
  providers: [
    AdminBootstrap,
    AuthService,
    Authenticator,
    Callers,
    ClientCredentials,
    IdentitySweeper,
    JwtStrategy,
    KeyRotation,
    Sessions,
    SigningKeys,
    Throttle,
    TokenIssuer,
  ],
  exports: [Authenticator, Sessions, SigningKeys, Throttle, TokenIssuer],
})
export class AuthModule {}
