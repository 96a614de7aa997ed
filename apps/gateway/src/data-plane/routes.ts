/**
 * The inference paths of the Open Inference Protocol with Triton's extensions, of TensorFlow Serving and of KServe v1. Parses a
 * request target; knows nothing of what lies behind it, and ignores queries as the protocols want.
 */

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
  | { readonly kind: 'registry' };

/** Decodes one path segment; undefined when it is empty or badly encoded. */
function segment(text: string): string | undefined {
  if (text === '') return undefined;
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

const own: Readonly<Record<string, OwnRoute>> = {
  '/v2': 'server',
  '/v2/': 'server',
  '/v2/health/live': 'live',
  '/v2/health/ready': 'ready',
  '/v2/models': 'models',
  '/v2/models/stats': 'stats',
  '/v2/repository/index': 'index',
};

const modelsPrefix = '/v2/models/';
const v2Operations: Readonly<Record<string, Operation>> = {
  infer: 'infer',
  ready: 'ready',
  config: 'config',
  stats: 'stats',
};

function parseModelPath(path: string): InferenceRoute | undefined {
  const parts = path.slice(modelsPrefix.length).split('/');
  const endpoint = segment(parts[0] ?? '');
  if (endpoint === undefined) return undefined;
  const hasPin = parts[1] === 'versions';
  const pin = hasPin ? segment(parts[2] ?? '') : undefined;
  if (hasPin && pin === undefined) return undefined;
  const rest = parts.slice(hasPin ? 3 : 1);
  const [name = ''] = rest;
  if (rest.length === 0) return { endpoint, pin, operation: 'metadata' };
  const operation = rest.length === 1 && Object.hasOwn(v2Operations, name) ? v2Operations[name] : undefined;
  return operation && { endpoint, pin, operation };
}

const repositoryPath = /^\/v2\/repository\/models\/([^/]+)\/(load|unload)$/;

function unanswered(path: string): Route {
  const detail = unsupportedDetail(path);
  return detail === undefined ? { kind: 'unknown' } : { kind: 'unsupported', detail };
}

function parseV2(path: string): Route {
  const mine = Object.hasOwn(own, path) ? own[path] : undefined;
  if (mine) return { kind: mine };
  if (path.startsWith(modelsPrefix)) {
    const route = parseModelPath(path);
    return route ? { kind: 'inference', route } : unanswered(path);
  }
  const [, name, action] = repositoryPath.exec(path) ?? [];
  const endpoint = segment(name ?? '');
  if (endpoint === undefined) return unanswered(path);
  return { kind: 'repository', action: action === 'load' ? 'load' : 'unload', endpoint };
}

/** TensorFlow Serving's own expression, in two parts; its case does not matter either. A label of digits is none of our aliases. */
const v1Path =
  /^\/v1\/models\/([^/:]+)(?:\/versions\/(\d+)|\/labels\/([^/:]*[^/:\d][^/:]*))?(?:(\/metadata)|:(predict|classify|regress))?$/i;

function parseV1(path: string): Route {
  if (/^\/v1\/models\/?$/i.test(path)) return { kind: 'models' };
  const [, name = '', version, label, metadata, verb] = v1Path.exec(path) ?? [];
  const endpoint = segment(name);
  const pin = label === undefined ? version?.replace(/^0+(?=\d)/, '') : segment(label);
  if (endpoint === undefined || (label !== undefined && pin === undefined)) return { kind: 'unknown' };
  return { kind: 'inference', route: { endpoint, pin, operation: v1Operation(verb, metadata) } };
}

const v1Verbs: Readonly<Record<string, Operation>> = {
  predict: 'predict',
  classify: 'classify',
  regress: 'regress',
};

function v1Operation(verb: string | undefined, metadata: string | undefined): Operation {
  const prediction = verb === undefined ? undefined : v1Verbs[verb.toLowerCase()];
  return prediction ?? (metadata === undefined ? 'status' : 'signatures');
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

export const takesMethod = (operation: Operation, method: string | undefined): boolean =>
  isPrediction(operation) ? method === 'POST' : method === 'GET' || method === 'HEAD';

/** The methods that a path takes, as for an Allow header. */
export const methodsOf = (operation: Operation): string => (isPrediction(operation) ? 'POST' : 'GET, HEAD');
