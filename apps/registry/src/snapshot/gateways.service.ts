import type { GatewayCredential } from '#contracts/nodes';
import { Injectable } from '@nestjs/common';
import { v5 as uuidv5 } from 'uuid';
import { TokenIssuer } from '../auth/token-issuer.service.js';

/** A gateway's id is made from its name: a restarted gateway is the same one, and nothing needs to be stored. */
const gatewayNamespace = '0198f3a0-7c1e-7000-8000-5347b1d0c3e9';

@Injectable()
export class GatewaysService {
  constructor(private readonly tokens: TokenIssuer) {}

  async register(name: string): Promise<GatewayCredential> {
    const gatewayId = uuidv5(name, gatewayNamespace);
    const { token, expiresInS } = await this.tokens.issueForGateway(gatewayId);
    return { gateway_id: gatewayId, credential: token, expires_in: expiresInS };
  }
}
