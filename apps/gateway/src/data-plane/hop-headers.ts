/** Header fields that belong to one connection and are never passed on (RFC 9110 §7.6.1), in either direction. */

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** @param name in lower case */
export const isHopByHop = (name: string): boolean => hopByHop.has(name);

const none: ReadonlySet<string> = new Set();

/** The fields that a Connection header names as its own, in lower case. */
export function listedByConnection(connection: string | string[] | undefined): ReadonlySet<string> {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return none;
  const text = Array.isArray(connection) ? connection.join(',') : connection;
  return new Set(
    text
      .toLowerCase()
      .split(',', 100)
      .map((name) => name.trim()),
  );
}
