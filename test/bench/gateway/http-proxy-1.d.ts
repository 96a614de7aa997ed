/** As much of http-proxy 1.18.1 as the benchmark uses; the package comes without types. */
declare module 'http-proxy-1' {
  import type { Agent, IncomingMessage, ServerResponse } from 'node:http';

  interface Proxy {
    web(request: IncomingMessage, response: ServerResponse): void;
    on(event: 'error', listener: (error: Error) => void): void;
  }
  const httpProxy: { createProxyServer(options: { target: string; agent: Agent }): Proxy };
  export default httpProxy;
}
