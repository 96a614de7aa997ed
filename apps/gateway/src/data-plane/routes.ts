/**
 * The inference paths of the Open Inference Protocol with Triton's extensions, of TensorFlow Serving and of KServe v1. Parses a
 * request target; knows nothing of what lies behind it, and ignores queries as the protocols want.
 */

import {
  isUnnamedServable,
  parseModelPath,
  parseRepositoryPath,
  parseServablePath,
} from '#contracts/model-path';
import type { InferenceProtocol } from '#contracts/external-nodes';
import type { ServableCall } from '#contracts/model-path';
import { unsupportedDetail } from '#contracts/oip';

/** What a caller wants of one endpoint. `status` is TensorFlow Serving's, and KServe v1's model readiness. */
export type Operation =
  | 'infer'
  | 'ready'
  | 'metadata'
  | 'config'
  | 'stats'
  | 'predict'
  | 'classify'
  | 'regress'
  | 'status'
  | 'signatures';

/** A path of an endpoint: `/v2/models/{endpoint}[/versions/{pin}][/…]`, `/v1/models/{endpoint}[/versions/{n}|/labels/{alias}][…]`. */
export interface InferenceRoute {
  readonly endpoint: string;
  readonly pin: string | undefined;
  readonly operation: Operation;
}

/** What the gateway answers without an endpoint in the path. */
export type OwnRoute = 'live' | 'ready' | 'server' | 'models' | 'stats' | 'index';
export type RepositoryAction = 'load' | 'unload';

export type Route =
  | { readonly kind: 'inference'; readonly route: InferenceRoute }
  | { readonly kind: 'repository'; readonly action: RepositoryAction; readonly endpoint: string }
  | { readonly kind: OwnRoute | 'unknown' }
  | { readonly kind: 'unsupported'; readonly detail: string }
  /** Below TensorFlow Serving's paths and none of them; `detail` is what it says to that, where that is known. */
  | { readonly kind: 'malformed'; readonly path: string; readonly detail: string | undefined }
  | { readonly kind: 'registry' };

const own: Readonly<Record<string, OwnRoute>> = {
  '/v2': 'server',
  '/v2/': 'server',
  '/v2/health/live': 'live',
  '/v2/health/ready': 'ready',
  '/v2/models': 'models',
  '/v2/models/stats': 'stats',
  '/v2/repository/index': 'index',
};

function unanswered(path: string): Route {
  const detail = unsupportedDetail(path);
  return detail === undefined ? { kind: 'unknown' } : { kind: 'unsupported', detail };
}

function parseV2(path: string): Route {
  const mine = Object.hasOwn(own, path) ? own[path] : undefined;
  if (mine) return { kind: mine };
  const named = parseModelPath(path);
  if (named) {
    const { model, pin, call = 'metadata' } = named;
    return { kind: 'inference', route: { endpoint: model, pin, operation: call } };
  }
  const repository = parseRepositoryPath(path);
  return repository
    ? { kind: 'repository', action: repository.action, endpoint: repository.model }
    : unanswered(path);
}

function parseV1(path: string): Route {
  if (/^\/v1\/models\/?$/i.test(path)) return { kind: 'models' };
  const named = isUnnamedServable(path) ? 'Missing model name in request.' : parseServablePath(path);
  if (named === undefined || typeof named === 'string') return { kind: 'malformed', path, detail: named };
  const { model, version, label, call } = named;
  // A label of digits is none of our aliases, and would be read as a version.
  if (/^\d+$/.test(label ?? ''))
    return { kind: 'malformed', path, detail: `Unrecognized servable version label: ${label}` };
  return {
    kind: 'inference',
    route: { endpoint: model, pin: label ?? version, operation: servableOperation(call) },
  };
}

function servableOperation(call: ServableCall | undefined): Operation {
  if (call === undefined) return 'status';
  return call === 'metadata' ? 'signatures' : call;
}

/** Sorts a request target. What is not below /v2 or /v1 is the registry's. */
export function parseRoute(target: string): Route {
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  if (path === '/v2' || path.startsWith('/v2/')) return parseV2(path);
  return /^\/v1\//i.test(path) ? parseV1(path) : { kind: 'registry' };
}

/** Whether it runs the model: then it has a body, and spends quota. */
export function isPrediction(operation: Operation): boolean {
  switch (operation) {
    case 'infer':
    case 'predict':
    case 'classify':
    case 'regress':
      return true;
    case 'ready':
    case 'metadata':
    case 'config':
    case 'stats':
    case 'status':
    case 'signatures':
      return false;
  }
}

/** Whether it is one of TensorFlow Serving's calls. */
export function isTensorFlow(operation: Operation): boolean {
  switch (operation) {
    case 'predict':
    case 'classify':
    case 'regress':
    case 'status':
    case 'signatures':
      return true;
    case 'infer':
    case 'ready':
    case 'metadata':
    case 'config':
    case 'stats':
      return false;
  }
}

/** In whose words it is. */
export const protocolOf = (operation: Operation): InferenceProtocol =>
  isTensorFlow(operation) ? 'tfserving' : 'oip';

export const takesMethod = (operation: Operation, method: string | undefined): boolean =>
  isPrediction(operation) ? method === 'POST' : method === 'GET' || method === 'HEAD';

/** The methods that a path takes, as for an Allow header. */
export const methodsOf = (operation: Operation): string => (isPrediction(operation) ? 'POST' : 'GET, HEAD');
