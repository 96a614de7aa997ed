/** Opens connections to nodes, each with the certificates of its moment. Knows nothing of files. */
import { buildConnector } from 'undici';

/** Whom connections to nodes trust, and how they show themselves; undefined: what Node trusts, and not at all. */
export interface NodeTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** What one server wants otherwise. */
export interface ServerTls {
  readonly ca: string | undefined;
  /** The name that its certificate must have; undefined: that of its address. */
  readonly servername: string | undefined;
}

export type Connector = ReturnType<typeof buildConnector>;

/** undici spreads its options over others: what is undefined must not be there. */
const definedOf = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

/** @param tlsNow gives the same object for as long as nothing has changed */
export function nodeConnector(
  tlsNow: () => NodeTls,
  own: ServerTls | undefined,
  timeoutMs: number,
): Connector {
  let from: NodeTls | undefined;
  let connect: Connector | undefined;
  return (options, callback) => {
    const tls = tlsNow();
    // A connector keeps TLS sessions, which must not outlive the trust that they were opened with.
    if (!connect || from !== tls) {
      from = tls;
      connect = buildConnector({ timeout: timeoutMs, ...definedOf(tls), ...definedOf(own ?? {}) });
    }
    connect(options, callback);
  };
}
