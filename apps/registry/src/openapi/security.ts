import type { Access } from '#contracts/route';
import { scopes } from '#contracts/scopes';

/** How a caller can prove who it is. */
export const securitySchemes = {
  client: {
    type: 'oauth2',
    description: 'A token of a client. `admin` allows everything; a `:write` scope allows what `:read` does.',
    flows: {
      clientCredentials: {
        tokenUrl: '/oauth/token',
        scopes: Object.fromEntries(scopes.map((scope) => [scope, `Scope ${scope}`])),
      },
    },
  },
  machine: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The credential that a node or gateway got when it joined',
  },
  join: { type: 'http', scheme: 'bearer', description: 'The join token of this installation' },
} as const;

/** The `security` of an operation; an empty list means that it is open. */
export function securityOf(access: Access): Record<string, string[]>[] {
  if (access === 'open') return [];
  if (access === 'authenticated') return [{ client: [] }, { machine: [] }];
  if (access === 'join-node' || access === 'join-gateway') return [{ join: [] }];
  if (access === 'node' || access === 'gateway') return [{ machine: [] }];
  return [{ client: [access] }];
}
