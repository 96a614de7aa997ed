/**
 * Requests to addresses that a person gave. They must not become a way into the network that the registry stands in
 * (OWASP: server-side request forgery): the address that a connection really goes to is checked, after the name was resolved.
 */
import { lookup } from 'node:dns';
import type { LookupAddress } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { Agent } from 'undici';

/** IANA's special-purpose registries (RFC 6890), as far as they reach inside. */
const privateAddresses = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const)
  privateAddresses.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  ['::', 127],
  ['64:ff9b:1::', 48],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  privateAddresses.addSubnet(network, prefix, 'ipv6');

/** Whether an IP address is of this machine or of a private network. IPv4 in IPv6's clothes is seen through. */
export const isPrivateAddress = (address: string): boolean =>
  privateAddresses.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';

  constructor(host: string) {
    super(`${host} is an address of a private network.`);
  }
}

/** @throws PrivateAddressError for a URL whose host is a private address as it stands; a name is checked when it is resolved */
export function requirePublicHost(url: string): void {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && isPrivateAddress(host)) throw new PrivateAddressError(host);
}

const publicLookup: LookupFunction = (host, options, callback) => {
  lookup(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
    const [first] = found;
    if (error || !first) return callback(error ?? new Error(`${host} has no address`), '', 0);
    const inside = found.find(({ address }) => isPrivateAddress(address));
    if (inside) return callback(new PrivateAddressError(`${host} (${inside.address})`), '', 0);
    if (options.all) callback(null, found);
    else callback(null, first.address, first.family);
  });
};

const timeouts = { headersTimeout: 10_000, bodyTimeout: 10_000, connectTimeout: 5_000 };

/** Connections for such requests. @param allowPrivate whether they may go to private networks */
export const outboundAgent = (allowPrivate: boolean): Agent =>
  new Agent({
    ...timeouts,
    maxResponseSize: 65_536,
    connect: { timeout: timeouts.connectTimeout, ...(allowPrivate ? {} : { lookup: publicLookup }) },
  });
