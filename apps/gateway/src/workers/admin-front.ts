/**
 * The admin port of a gateway of several workers. Answers for itself that it lives; everything else is asked of the workers, with
 * the asker's own token, which they check: this process knows no keys.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { SluiceError, toProblem } from '#platform/errors';
import type { Logger } from '#platform/logger';
import type { GatewaySettings } from '../config.js';
import type { Fleet } from './fleet.js';
import { MergedMetrics, Metrics } from './merged-metrics.js';

const askTimeoutMs = 5_000;
const passedOn = ['content-type', 'www-authenticate', 'x-request-id'] as const;

interface Answer {
  readonly slot: number;
  readonly response: Response;
  readonly text: string;
}

const notReady = (): SluiceError =>
  new SluiceError('NOT_READY', 'No worker of this gateway answers now. Try again.', { retryAfterS: 1 });

class AdminFront {
  private readonly metrics: MergedMetrics;

  constructor(
    private readonly fleet: Fleet,
    private readonly logger: Logger,
  ) {
    this.metrics = new MergedMetrics({ workers: () => fleet.admins.size, restarts: () => fleet.restarts });
    fleet.onGone = (slot) => void this.metrics.retire(slot);
  }

  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      await this.answer(req, res);
    } catch (error) {
      if (!(error instanceof SluiceError)) this.logger.error({ err: error }, 'admin request failed');
      const known = error instanceof SluiceError ? error : new SluiceError('INTERNAL', 'The gateway failed.');
      const body = JSON.stringify(toProblem(known));
      res.writeHead(known.status, { 'content-type': 'application/problem+json' }).end(body);
    }
  }

  private async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [path = '/'] = (req.url ?? '/').split('?', 1);
    if (path === '/health/live') sendJson(res, { status: 'ok' });
    else if (path === '/health/ready') await this.answerReady(req, res);
    else if (path === '/metrics') await this.answerMetrics(req, res);
    else if (path === '/process') await this.answerProcesses(req, res);
    else if (path === '/drain') relay(res, firstOf(await this.askAll(req, req.url ?? '/')));
    else relay(res, await this.askOne(req));
  }

  /** Ready while some worker is: the port leads to it. */
  private async answerReady(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (this.fleet.isClosing) throw new SluiceError('DRAINING', 'This gateway is shutting down.');
    const answers = await this.askAll(req, '/health/ready');
    relay(res, answers.find(({ response }) => response.ok) ?? firstOf(answers));
  }

  private async answerMetrics(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const answers = await this.askAll(req, '/metrics/json');
    const refused = answers.find(({ response }) => !response.ok);
    if (refused) return relay(res, refused);
    if (answers.length === 0) throw notReady();
    for (const { slot, text } of answers) this.metrics.read(slot, Metrics.parse(JSON.parse(text)));
    res.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE }).end(await this.metrics.text());
  }

  private async answerProcesses(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const answers = await this.askAll(req, '/process');
    const refused = answers.find(({ response }) => !response.ok);
    if (refused) return relay(res, refused);
    const workers = answers.map(({ slot, text }) => ({ worker: slot, ...(JSON.parse(text) as object) }));
    sendJson(res, { pid: process.pid, restarts: this.fleet.restarts, workers });
  }

  /** What the workers say that answer; one that has just died is left out. */
  private async askAll(req: IncomingMessage, target: string): Promise<Answer[]> {
    const asked = await Promise.all(
      [...this.fleet.admins].map(([slot, url]) =>
        ask(req, slot, url + target).catch((error: unknown) => {
          this.logger.warn({ err: error, worker: slot }, 'a worker does not answer');
          return undefined;
        }),
      ),
    );
    return asked.filter((answer) => answer !== undefined);
  }

  private async askOne(req: IncomingMessage): Promise<Answer> {
    for (const [slot, url] of this.fleet.admins) {
      const answer = await ask(req, slot, url + (req.url ?? '/')).catch(() => undefined);
      if (answer) return answer;
    }
    throw notReady();
  }
}

async function ask({ method, headers }: IncomingMessage, slot: number, url: string): Promise<Answer> {
  const { authorization } = headers;
  const response = await fetch(url, {
    method: method ?? 'GET',
    headers: authorization === undefined ? {} : { authorization },
    signal: AbortSignal.timeout(askTimeoutMs),
  });
  return { slot, response, text: await response.text() };
}

function firstOf(answers: readonly Answer[]): Answer {
  const [first] = answers;
  if (!first) throw notReady();
  return first;
}

function relay(res: ServerResponse, { response, text }: Answer): void {
  for (const name of passedOn) {
    const value = response.headers.get(name);
    if (value !== null) res.setHeader(name, value);
  }
  res.writeHead(response.status).end(text);
}

function sendJson(res: ServerResponse, value: object): void {
  res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

/** Starts listening on the admin port. */
export async function startAdminFront(
  fleet: Fleet,
  settings: GatewaySettings,
  logger: Logger,
): Promise<{ readonly url: string; close(): void }> {
  const front = new AdminFront(fleet, logger);
  const server = createServer((req, res) => void front.handle(req, res));
  const { SLUICE_GATEWAY_ADMIN_HOST: host, SLUICE_GATEWAY_ADMIN_PORT: port } = settings;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
  const { address, port: bound, family } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`, close };
}
