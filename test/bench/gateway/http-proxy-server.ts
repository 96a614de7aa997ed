/** The peer: http-proxy 1.18.1 with a keep-alive agent, and nothing else. `node http-proxy-server.js <upstream port>` */
import { Agent, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import httpProxy from 'http-proxy-1';

const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${process.argv[2]}`,
  agent: new Agent({ keepAlive: true, maxSockets: 512 }),
});
proxy.on('error', (error) => {
  throw error;
});
const server = createServer((request, response) => proxy.web(request, response));
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));
