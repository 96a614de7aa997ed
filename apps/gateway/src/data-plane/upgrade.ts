/**
 * Requests that want another protocol on their connection. WebSockets to the registry become tunnels; every other wish is
 * declined by answering in HTTP/1.1 as if it had not been uttered (RFC 9110 §7.8): Java's client asks for h2c with each request.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Passthrough } from './passthrough.js';
import { parseRoute } from './routes.js';

const declined: ReadonlySet<string> = new Set(['upgrade', 'http2-settings']);

/** The head of the request as it came, without what asks for the upgrade. */
function headWithoutUpgrade(req: IncomingMessage): string {
  const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`];
  for (let i = 0; i + 1 < req.rawHeaders.length; i += 2) {
    const [name = '', value = ''] = [req.rawHeaders[i], req.rawHeaders[i + 1]];
    const lower = name.toLowerCase();
    if (declined.has(lower)) continue;
    const kept = lower === 'connection' ? withoutDeclined(value) : value;
    if (kept !== '' || lower !== 'connection') lines.push(`${name}: ${kept}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

const withoutDeclined = (connection: string): string =>
  connection
    .split(',')
    .map((token) => token.trim())
    .filter((token) => !declined.has(token.toLowerCase()))
    .join(', ');

/** Hands the connection back to the server, which reads the request again. */
function goOn(server: Server, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.unshift(Buffer.concat([Buffer.from(headWithoutUpgrade(req), 'latin1'), head]));
  server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket);
}

/** Takes over the server's upgrades. */
export function takeUpgrades(server: Server, passthrough: Passthrough): void {
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    const isWebSocket = req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket';
    if (isWebSocket && parseRoute(req.url ?? '/').kind === 'registry') passthrough.tunnel(req, socket, head);
    else goOn(server, req, socket, head);
  });
}
