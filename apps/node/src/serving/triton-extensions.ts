/** Triton's extensions that answer from what the node knows: statistics, configuration, the index of the repository. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { ReplicaState } from '#contracts/nodes';
import { sendError, sendJson } from './answers.js';
import { readBody } from './body.js';
import type { FrontContext } from './front-context.js';
import type { ModelTable } from './model-table.js';
import { refuseUnserved } from './oip-routes.js';
import type { OnModel } from './paths.js';
import { refuse, refuseLate } from './refuse.js';

export function answerAllStatistics({ statistics, table }: FrontContext, res: ServerResponse): void {
  sendJson(res, { model_stats: statistics.rows(table().served) });
}

/** Of one version, or of all that the node serves of a model. */
export function answerStatistics(
  { statistics, table }: FrontContext,
  on: OnModel,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const now = table();
  const versions = now.served.filter(
    ({ model, version }) => model === on.model && (on.version === undefined || on.version === version),
  );
  if (versions.length === 0) refuseUnserved(now, on, req, res);
  else sendJson(res, { model_stats: statistics.rows(versions) });
}

/** Triton's `ready` leaves out what is not ready; it means nothing when it is false. */
const IndexRequest = z.looseObject({ ready: z.boolean().optional() });
const maxIndexRequestBytes = 65_536;

function parseIndexRequest(text: string): z.infer<typeof IndexRequest> | undefined {
  if (text.trim() === '') return {};
  try {
    return IndexRequest.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

export function answerIndex(context: FrontContext, req: IncomingMessage, res: ServerResponse): void {
  readBody(req, {
    maxBytes: maxIndexRequestBytes,
    maxMs: context.limits.bodyTimeoutMs,
    onTooLarge: () => refuse(req, res, 'PAYLOAD_TOO_LARGE', 'The body is too large.'),
    onLate: () => refuseLate(req, res),
    onBody: (chunks) => {
      const request = parseIndexRequest(Buffer.concat(chunks).toString('utf8'));
      if (!request) sendError(res, 'INVALID_JSON', 'The body must be JSON like {"ready":true}, or empty.');
      else sendJson(res, indexOf(context.table(), request.ready === true));
    },
  });
}

const indexState = (state: ReplicaState): string => {
  switch (state) {
    case 'READY':
      return 'READY';
    case 'ASSIGNED':
    case 'FETCHING':
    case 'LOADING':
      return 'LOADING';
    case 'DRAINING':
      return 'UNLOADING';
    case 'FAILED':
      return 'UNAVAILABLE';
  }
};

const indexOf = ({ held }: ModelTable, isReadyOnly: boolean): object[] =>
  held
    .filter(({ state }) => !isReadyOnly || state === 'READY')
    .map(({ model, version, state, reason }) => ({
      name: model,
      version: String(version),
      state: indexState(state),
      reason: state === 'READY' ? '' : (reason ?? ''),
    }));

export function refuseRepository(req: IncomingMessage, res: ServerResponse, action: string): void {
  refuse(
    req,
    res,
    'INVALID_REQUEST',
    `A node does not ${action} models by itself: the registry decides what it holds. Send the request to a gateway.`,
  );
}
