/** The addresses of the Open Inference Protocol: path → what is asked for. Pure; queries are ignored as the protocol wants. */

interface OnModel {
  readonly model: string;
  /** Absent: the server's choice. */
  readonly version?: number;
}
export type Target =
  | { readonly kind: 'live' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'server' }
  | ({ readonly kind: 'model' } & OnModel)
  | ({ readonly kind: 'model-ready' } & OnModel)
  | ({ readonly kind: 'infer' } & OnModel)
  | { readonly kind: 'unknown-version'; readonly model: string; readonly version: string }
  | { readonly kind: 'unknown' };

const fixed: Readonly<Record<string, Target>> = {
  '/v2/health/live': { kind: 'live' },
  '/v2/health/ready': { kind: 'ready' },
  '/v2': { kind: 'server' },
  '/v2/': { kind: 'server' },
};
const modelPath = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(ready|infer))?$/;
const kinds = { ready: 'model-ready', infer: 'infer' } as const;

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

export function parsePath(url: string): Target {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  const known = fixed[path];
  if (known) return known;
  const [, modelSegment, versionSegment, action] = modelPath.exec(path) ?? [];
  const model = modelSegment === undefined ? undefined : decode(modelSegment);
  if (model === undefined) return { kind: 'unknown' };
  const kind = action === 'ready' || action === 'infer' ? kinds[action] : 'model';
  if (versionSegment === undefined) return { kind, model };
  return /^[1-9]\d{0,9}$/.test(versionSegment)
    ? { kind, model, version: Number(versionSegment) }
    : { kind: 'unknown-version', model, version: versionSegment };
}

/** The methods that an address takes. */
export function methodsOf(kind: Exclude<Target['kind'], 'unknown' | 'unknown-version'>): readonly string[] {
  return kind === 'infer' ? ['POST'] : ['GET', 'HEAD'];
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
