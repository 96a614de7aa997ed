/**
 * The addresses of the protocols that a node speaks: path → what is asked for. Pure; queries are ignored as the protocols
 * want. `/v2` is the Open Inference Protocol with Triton's extensions, `/v1` TensorFlow Serving's REST with KServe's v1.
 */
import {
  isUnnamedServable,
  parseModelPath,
  parseRepositoryPath,
  parseServablePath,
} from '#contracts/model-path';
import type { ModelCall } from '#contracts/model-path';
import { unsupportedDetail } from '#contracts/oip';
import type { Protocol } from '#inference/codec';

export interface OnModel {
  readonly model: string;
  /** Absent: the server's choice. */
  readonly version?: number;
  /** An alias in place of the version. */
  readonly label?: string;
}
export type Target =
  | { readonly kind: 'live' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'server' }
  | { readonly kind: 'models' }
  | { readonly kind: 'all-stats' }
  | { readonly kind: 'index' }
  | ({ readonly kind: 'model' } & OnModel)
  | ({ readonly kind: 'model-ready' } & OnModel)
  | ({ readonly kind: 'config' } & OnModel)
  | ({ readonly kind: 'stats' } & OnModel)
  | ({ readonly kind: 'infer'; readonly protocol: Protocol } & OnModel)
  | ({ readonly kind: 'status' } & OnModel)
  | ({ readonly kind: 'signatures' } & OnModel)
  | { readonly kind: 'repository'; readonly action: 'load' | 'unload' }
  | { readonly kind: 'unsupported'; readonly detail: string }
  | { readonly kind: 'unnamed' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unknown' };

const fixed: ReadonlyMap<string, Target> = new Map([
  ['/v2/health/live', { kind: 'live' }],
  ['/v2/health/ready', { kind: 'ready' }],
  ['/v2', { kind: 'server' }],
  ['/v2/', { kind: 'server' }],
  ['/v2/models', { kind: 'models' }],
  ['/v2/models/stats', { kind: 'all-stats' }],
  ['/v2/repository/index', { kind: 'index' }],
  ['/v1/models', { kind: 'models' }],
  ['/v1/models/', { kind: 'models' }],
]);

export function parsePath(url: string): Target {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  return fixed.get(path) ?? (/^\/v1\//i.test(path) ? parseV1(path) : parseV2(path));
}

function parseV2(path: string): Target {
  const named = parseModelPath(path);
  if (named) {
    const { model, pin, call } = named;
    if (pin === undefined) return v2Target(call, { model });
    const isNumber = /^[1-9]\d{0,9}$/.test(pin);
    return v2Target(call, isNumber ? { model, version: Number(pin) } : { model, label: pin });
  }
  const repository = parseRepositoryPath(path);
  if (repository) return { kind: 'repository', action: repository.action };
  const detail = unsupportedDetail(path);
  return detail === undefined ? { kind: 'unknown' } : { kind: 'unsupported', detail };
}

function v2Target(call: ModelCall | undefined, on: OnModel): Target {
  if (call === undefined) return { kind: 'model', ...on };
  if (call === 'infer') return { kind: 'infer', protocol: 'oip', ...on };
  return call === 'ready' ? { kind: 'model-ready', ...on } : { kind: call, ...on };
}

function parseV1(path: string): Target {
  if (isUnnamedServable(path)) return { kind: 'unnamed' };
  const named = parseServablePath(path);
  if (named === undefined) return { kind: 'malformed' };
  const { model, version, label, call } = named;
  const on: OnModel = {
    model,
    ...(version === undefined ? {} : { version: Number(version) }),
    ...(label === undefined ? {} : { label }),
  };
  if (call === undefined) return { kind: 'status', ...on };
  return call === 'metadata' ? { kind: 'signatures', ...on } : { kind: 'infer', protocol: call, ...on };
}

const post = ['POST'];
const get = ['GET', 'HEAD'];

/** The methods that an address takes; undefined: there is nothing there for any method. */
export function methodsOf(kind: Target['kind']): readonly string[] | undefined {
  switch (kind) {
    case 'infer':
    case 'index':
    case 'repository':
      return post;
    case 'unsupported':
    case 'unnamed':
    case 'malformed':
    case 'unknown':
      return undefined;
    case 'live':
    case 'ready':
    case 'server':
    case 'models':
    case 'all-stats':
    case 'model':
    case 'model-ready':
    case 'config':
    case 'stats':
    case 'status':
    case 'signatures':
      return get;
  }
}

const maxRemembered = 1_024;
const maxRememberedChars = 512;

/** {@link parsePath} with a bounded memory: callers use few addresses, many times. */
export function rememberingParser(): (url: string) => Target {
  const targets = new Map<string, Target>();
  return (url) => {
    const known = targets.get(url);
    if (known) return known;
    const target = parsePath(url);
    if (targets.size >= maxRemembered) targets.clear();
    if (url.length <= maxRememberedChars) targets.set(url, target);
    return target;
  };
}
