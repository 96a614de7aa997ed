/** HAProxy and nginx as single processes: HAProxy doing the gateway's job, and both proxying plainly as the floor. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender } from './contender.js';
import { freePort } from '../../support/free-port.js';

export interface NativePeerOptions {
  readonly folder: string;
  readonly upstreamPorts: readonly [number, number];
  readonly issuer: string;
  readonly publicKeyPem: string;
}

const haproxyCommon = `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  timeout http-keep-alive 30s
  http-reuse always
`;

const haproxyBackend = ([first, second]: readonly [number, number]): string => `
backend versions
  balance roundrobin
  server v1 127.0.0.1:${first} weight 90
  server v2 127.0.0.1:${second} weight 10
`;

const haproxyPlain = (port: number, { upstreamPorts }: NativePeerOptions): string => `${haproxyCommon}
frontend public
  bind 127.0.0.1:${port}
  default_backend versions
${haproxyBackend(upstreamPorts)}`;

/** The token's signature is verified at each request: HAProxy has no cache of verified tokens. */
const haproxyJwt = (
  port: number,
  { upstreamPorts, issuer, folder }: NativePeerOptions,
): string => `${haproxyCommon}
frontend public
  bind 127.0.0.1:${port}
  stick-table type string len 64 size 100k expire 60s store http_req_rate(60s)
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless { var(txn.alg) -m str "RS256" }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.iss') -m str "${issuer}" }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"${join(folder, 'public.pem')}") -m int 1 }
  http-request set-var(txn.now) date()
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }
  http-request track-sc0 var(txn.bearer),jwt_payload_query('$.sub')
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000000 }
  default_backend versions
${haproxyBackend(upstreamPorts)}`;

const nginxPlain = (port: number, { upstreamPorts, folder }: NativePeerOptions): string => `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder};
  proxy_temp_path ${folder};
  fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder};
  scgi_temp_path ${folder};
  keepalive_requests 1000000000;
  upstream versions {
    server 127.0.0.1:${upstreamPorts[0]} weight=90;
    server 127.0.0.1:${upstreamPorts[1]} weight=10;
    keepalive 512;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://versions;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}`;

async function untilListening(port: number, isAlive: () => boolean, name: string): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    if (!isAlive()) throw new Error(`${name} did not start`);
    await sleep(20);
  }
}

async function startNative(
  name: string,
  program: string,
  argsOf: (file: string) => readonly string[],
  configOf: (port: number) => string,
  folder: string,
): Promise<Contender> {
  const port = await freePort();
  const file = join(folder, `${name.replace(/\W+/g, '-')}.conf`);
  writeFileSync(file, `${configOf(port).trim()}\n`);
  const child = spawn(program, argsOf(file), { stdio: ['ignore', 'inherit', 'inherit'] });
  // Unlike the peers that are Node programs, these do not see that the benchmark is gone.
  process.once('exit', () => child.kill());
  await untilListening(port, () => child.exitCode === null, name);
  return {
    name,
    pid: child.pid ?? Number.NaN,
    port,
    async stop() {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

const versionOf = (program: string): string | undefined => {
  const { error, stdout, stderr } = spawnSync(program, ['-v'], { encoding: 'utf8' });
  return error ? undefined : /\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0];
};

/** Those that are installed; the names of the others. */
export async function startNativePeers(
  options: NativePeerOptions,
): Promise<{ readonly started: Contender[]; readonly missing: string[] }> {
  const { folder } = options;
  writeFileSync(join(folder, 'public.pem'), options.publicKeyPem);
  const [haproxy, nginx] = [versionOf('haproxy'), versionOf('nginx')];
  const started: Contender[] = [];
  const haproxyArgs = (file: string): string[] => ['-db', '-q', '-f', file];
  if (haproxy !== undefined) {
    const jwt = (port: number): string => haproxyJwt(port, options);
    const plain = (port: number): string => haproxyPlain(port, options);
    started.push(
      await startNative(`HAProxy ${haproxy}, JWT and limit`, 'haproxy', haproxyArgs, jwt, folder),
      await startNative(`HAProxy ${haproxy}, plain`, 'haproxy', haproxyArgs, plain, folder),
    );
  }
  if (nginx !== undefined) {
    const plain = (port: number): string => nginxPlain(port, options);
    started.push(await startNative(`nginx ${nginx}, plain`, 'nginx', (file) => ['-c', file], plain, folder));
  }
  const missing = [haproxy === undefined ? 'HAProxy' : '', nginx === undefined ? 'nginx' : ''].filter(
    Boolean,
  );
  return { started, missing };
}
