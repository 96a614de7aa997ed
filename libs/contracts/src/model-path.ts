/**
 * Which model, version and call a path of the inference protocols names; a node and a gateway must read it alike. A name of
 * several segments, as in `org/name`, may be percent-encoded or written as it is, unless one of its segments is a word of the
 * protocol: then only `%2F` tells where the name ends.
 */

/** `/v2/models/{model}[/versions/{pin}][/{call}]` */
export interface ModelPath {
  readonly model: string;
  /** A number or an alias, as it is written. */
  readonly pin: string | undefined;
  readonly call: ModelCall | undefined;
}
export type ModelCall = 'ready' | 'infer' | 'config' | 'stats';

/** `/v1/models/{model}[/versions/{version}|/labels/{label}][/metadata|:{verb}]` */
export interface ServablePath {
  readonly model: string;
  readonly version: string | undefined;
  readonly label: string | undefined;
  readonly call: ServableCall | undefined;
}
export type ServableCall = 'metadata' | 'predict' | 'classify' | 'regress';

const modelsPrefix = '/v2/models/';
const modelCalls: ReadonlySet<string> = new Set<ModelCall>(['ready', 'infer', 'config', 'stats']);
/** What may not stand in a name as it is: a path that means no call of ours must not become a model's name. */
const words: ReadonlySet<string> = new Set([
  ...modelCalls,
  'versions',
  'labels',
  'metadata',
  'trace',
  'generate',
  'generate_stream',
  'load',
  'unload',
]);

/** Decodes a segment; undefined when it is empty or badly encoded. */
function decode(segment: string): string | undefined {
  if (segment === '') return undefined;
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

/** The name of these segments; undefined when they are none, or when they are words of the protocol after the first. */
function nameOf(segments: readonly string[]): string | undefined {
  if (segments.length === 0 || segments.slice(1).some((segment) => words.has(segment.toLowerCase())))
    return undefined;
  const decoded = segments.map(decode);
  return decoded.includes(undefined) ? undefined : decoded.join('/');
}

const isCall = (segment: string | undefined): segment is ModelCall =>
  segment !== undefined && modelCalls.has(segment);

/** Reads a path without its query; undefined when it is none of a model. */
export function parseModelPath(path: string): ModelPath | undefined {
  if (!path.startsWith(modelsPrefix)) return undefined;
  const segments = path.slice(modelsPrefix.length).split('/');
  const last = segments.at(-1);
  const call = segments.length > 1 && isCall(last) ? last : undefined;
  const rest = call === undefined ? segments : segments.slice(0, -1);
  const hasPin = rest.length > 2 && rest.at(-2) === 'versions';
  const model = nameOf(hasPin ? rest.slice(0, -2) : rest);
  const pin = hasPin ? decode(rest.at(-1) ?? '') : undefined;
  if (model === undefined || (hasPin && pin === undefined)) return undefined;
  return { model, pin, call };
}

const repositoryPath = /^\/v2\/repository\/models\/(.+)\/(load|unload)$/;

/** Triton's load and unload of a model; undefined for any other path. */
export function parseRepositoryPath(
  path: string,
): { readonly model: string; readonly action: 'load' | 'unload' } | undefined {
  const [, name = '', action] = repositoryPath.exec(path) ?? [];
  const model = nameOf(name.split('/'));
  return model === undefined ? undefined : { model, action: action === 'load' ? 'load' : 'unload' };
}

/** TensorFlow Serving's own expression, in two parts, with slashes in the name; its case does not matter either. */
const servablePath =
  /^\/v1\/models\/([^:]+?)(?:\/versions\/(\d+)|\/labels\/([^/:]+))?(?:\/(metadata)|:(predict|classify|regress))?$/i;

/** Reads a path without its query; undefined when it is none of TensorFlow Serving's. */
export function parseServablePath(path: string): ServablePath | undefined {
  const [, name = '', version, text, metadata, verb] = servablePath.exec(path) ?? [];
  const model = nameOf(name.split('/'));
  const label = text === undefined ? undefined : decode(text);
  if (model === undefined || (text !== undefined && label === undefined)) return undefined;
  const call = (metadata ?? verb)?.toLowerCase() as ServableCall | undefined;
  return { model, version: version?.replace(/^0+(?=\d)/, ''), label, call };
}

const unnamedPath = /^\/v1\/models\/(?:versions\/\d+|labels\/[^/:]+)(?:\/metadata)?$/i;

/** Whether a path is one of TensorFlow Serving's but for the model's name. */
export const isUnnamedServable = (path: string): boolean => unnamedPath.test(path);
