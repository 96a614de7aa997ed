/**
 * A typed HTTP client made from the route table: `client.models.create({ body })`.
 * It parses every answer; a failure becomes a SluiceClientError with the problem's stable code. It never retries.
 */
import { Problem } from '#contracts/errors';
import type { ErrorCode } from '#contracts/errors';
import type { RouteRequest, RouteResponse, RouteSpec } from '#contracts/route';
import { routes } from '#contracts/routes';
import type { Routes } from '#contracts/routes';

/** The registry (or something before it) answered with an error, or not at all (`status` 0). */
export class SluiceClientError extends Error {
  override readonly name = 'SluiceClientError';
  constructor(
    readonly status: number,
    readonly code: ErrorCode | undefined,
    message: string,
    readonly problem?: Problem,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface ClientOptions {
  /** Address of a registry or gateway: `http://127.0.0.1:8080`. */
  readonly baseUrl: string;
  /** Bearer token for each call; none on open routes. */
  readonly token?: (() => string | Promise<string>) | undefined;
  readonly fetch?: typeof fetch | undefined;
}

interface CallExtras {
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}
/** Parts that the route has; a part whose every field has a default may be left out. */
type Parts<T> = {
  readonly [K in keyof T as T[K] extends undefined ? never : object extends T[K] ? never : K]: T[K];
} & {
  readonly [K in keyof T as T[K] extends undefined ? never : object extends T[K] ? K : never]?: T[K];
};
type CallRequest<R extends RouteSpec> = Parts<RouteRequest<R>> & CallExtras;
type CallArgs<R extends RouteSpec> =
  object extends CallRequest<R> ? [request?: CallRequest<R>] : [request: CallRequest<R>];

type Call<R extends RouteSpec> = (...args: CallArgs<R>) => Promise<RouteResponse<R>>;
export type SluiceClient = {
  readonly [G in keyof Routes]: {
    readonly [N in keyof Routes[G]]: Routes[G][N] extends RouteSpec ? Call<Routes[G][N]> : never;
  };
};

interface AnyRequest extends CallExtras {
  readonly params?: Record<string, string | number>;
  readonly query?: Record<string, string | number | undefined>;
  readonly body?: unknown;
}

/** Fills a path template and adds the query. */
export function routeUrl(spec: RouteSpec, request: Pick<AnyRequest, 'params' | 'query'> = {}): string {
  const path = spec.path.replace(/\{(\w+)\}/g, (_, key: string) =>
    encodeURIComponent(String(request.params?.[key])),
  );
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(request.query ?? {}))
    if (value !== undefined) query.set(key, String(value));
  return query.size > 0 ? `${path}?${query.toString()}` : path;
}

/** Turns an answer that is not the expected one into an error. */
export async function errorFrom(spec: RouteSpec, response: Response): Promise<SluiceClientError> {
  const text = await response.text();
  const problem = Problem.safeParse(parseJson(text));
  const call = `${spec.method} ${spec.path}`;
  if (problem.success)
    return new SluiceClientError(
      response.status,
      problem.data.code,
      `${call}: ${problem.data.detail}`,
      problem.data,
    );
  return new SluiceClientError(
    response.status,
    undefined,
    `${call} answered ${response.status}: ${text.slice(0, 200)}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function encodeBody(spec: RouteSpec, body: unknown): { body?: string; headers: Record<string, string> } {
  if (body === undefined) return { headers: {} };
  if (spec.bodyMedia === 'form') {
    const fields = Object.entries(body as Record<string, string>).filter(([, value]) => value !== undefined);
    return {
      body: new URLSearchParams(fields).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    };
  }
  return { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
}

/** Sends one call and returns the raw answer, success or not. Throws SluiceClientError with status 0 when nothing answers. */
export async function send(
  options: ClientOptions,
  spec: RouteSpec,
  request: AnyRequest = {},
): Promise<Response> {
  const encoded = encodeBody(spec, request.body);
  const headers: Record<string, string> = { ...encoded.headers, ...request.headers };
  if (spec.access !== 'open' && options.token) headers['authorization'] = `Bearer ${await options.token()}`;
  const init: RequestInit = { method: spec.method, headers };
  if (encoded.body !== undefined) init.body = encoded.body;
  if (request.signal) init.signal = request.signal;
  try {
    return await (options.fetch ?? fetch)(new URL(routeUrl(spec, request), options.baseUrl), init);
  } catch (cause) {
    if (request.signal?.aborted) throw cause;
    throw new SluiceClientError(
      0,
      undefined,
      `${options.baseUrl} does not answer (${spec.method} ${spec.path})`,
      undefined,
      { cause },
    );
  }
}

async function call(options: ClientOptions, spec: RouteSpec, request: AnyRequest): Promise<unknown> {
  const response = await send(options, spec, request);
  if (response.status !== spec.status) throw await errorFrom(spec, response);
  if (!spec.response) {
    await response.body?.cancel();
    return undefined;
  }
  return spec.response.parse(await response.json());
}

/** Makes a client with one function per route. Streams (uploads, downloads, events) go through {@link send} or `uploadVersion`. */
export function createClient(options: ClientOptions): SluiceClient {
  const groups = Object.entries(routes).map(([group, specs]) => [
    group,
    Object.fromEntries(
      Object.entries(specs).map(([name, spec]: [string, RouteSpec]) => [
        name,
        (request: AnyRequest = {}) => call(options, spec, request),
      ]),
    ),
  ]);
  return Object.fromEntries(groups) as SluiceClient;
}
