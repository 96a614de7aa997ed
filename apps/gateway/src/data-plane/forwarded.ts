/** X-Forwarded-*: what a trusted proxy in front says about the caller is passed on, what anyone else says is not. */
import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Socket } from 'node:net';

/** Addresses and CIDR ranges whose X-Forwarded fields are believed. @throws RangeError that names the wrong one */
export function parseTrustList(list: readonly string[]): BlockList {
  const trusted = new BlockList();
  for (const entry of list) {
    const [address = '', bits, ...more] = entry.split('/');
    const family = isIP(address);
    const length = bits === undefined ? (family === 4 ? 32 : 128) : Number(bits);
    if (family === 0 || more.length > 0 || !(length >= 0 && length <= (family === 4 ? 32 : 128)))
      throw new RangeError(`"${entry}" is no address and no CIDR range`);
    trusted.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6');
  }
  return trusted;
}

/** An IPv4 peer of a dual-stack listener looks like `::ffff:192.0.2.1`. */
const peerOf = (socket: Socket): string => (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');

function isTrusted(peer: string, trusted: BlockList): boolean {
  const family = isIP(peer);
  return family !== 0 && trusted.check(peer, family === 4 ? 'ipv4' : 'ipv6');
}

/** Rewrites the fields for the next hop. The peer is always appended; what stood there before only counts when it came from a trusted one. */
export function setForwarded(headers: IncomingHttpHeaders, socket: Socket, trusted: BlockList): void {
  const peer = peerOf(socket);
  const own = { host: headers.host ?? '', proto: 'encrypted' in socket ? 'https' : 'http' };
  const believed = isTrusted(peer, trusted);
  const before = believed ? headers['x-forwarded-for'] : undefined;
  headers['x-forwarded-for'] = before === undefined ? peer || 'unknown' : `${String(before)}, ${peer}`;
  headers['x-forwarded-host'] = (believed && headers['x-forwarded-host']) || own.host;
  headers['x-forwarded-proto'] = (believed && headers['x-forwarded-proto']) || own.proto;
}
