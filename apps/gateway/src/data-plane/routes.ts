/** The inference paths. Parses a request target; knows nothing of what lies behind it. */

export type Operation = 'infer' | 'metadata' | 'ready';

/** A path of an endpoint: `/v2/models/{endpoint}[/versions/{pin}][/infer|/ready]`. */
export interface InferenceRoute {
  readonly endpoint: string;
  readonly pin: string | undefined;
  readonly operation: Operation;
}

export type Route =
  | { readonly kind: 'inference'; readonly route: InferenceRoute }
  | { readonly kind: 'live' | 'ready' | 'server' | 'unknown' | 'registry' };

const modelsPrefix = '/v2/models/';

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

const suffixes: Readonly<Record<string, Operation>> = { infer: 'infer', ready: 'ready' };

function parseModelPath(path: string): InferenceRoute | undefined {
  const parts = path.slice(modelsPrefix.length).split('/');
  const endpoint = segment(parts[0] ?? '');
  if (endpoint === undefined) return undefined;
  const hasPin = parts[1] === 'versions';
  const pin = hasPin ? segment(parts[2] ?? '') : undefined;
  if (hasPin && pin === undefined) return undefined;
  const rest = parts.slice(hasPin ? 3 : 1);
  if (rest.length === 0) return { endpoint, pin, operation: 'metadata' };
  const operation =
    rest.length === 1 && Object.hasOwn(suffixes, rest[0] ?? '') ? suffixes[rest[0] ?? ''] : undefined;
  return operation && { endpoint, pin, operation };
}

/** Sorts a request target. What is not below /v2 is the registry's. */
export function parseRoute(target: string): Route {
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  if (path.startsWith(modelsPrefix)) {
    const route = parseModelPath(path);
    return route ? { kind: 'inference', route } : { kind: 'unknown' };
  }
  switch (path) {
    case '/v2':
    case '/v2/':
      return { kind: 'server' };
    case '/v2/health/live':
      return { kind: 'live' };
    case '/v2/health/ready':
      return { kind: 'ready' };
    default:
      return { kind: path.startsWith('/v2/') ? 'unknown' : 'registry' };
  }
}

/** The methods that a path takes, as for an Allow header. */
export const methodsOf = (operation: Operation): string => (operation === 'infer' ? 'POST' : 'GET, HEAD');
