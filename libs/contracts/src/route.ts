/** What a REST route is. The route table drives the server (path, scope, validation), the OpenAPI document and the client. */
import type { z } from 'zod';
import type { ErrorCode } from './errors.js';
import type { Scope } from './scopes.js';

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** `open` needs no token, `authenticated` any valid one, `join-node` and `join-gateway` the shared join token. */
export type Access = Scope | 'open' | 'authenticated' | 'join-node' | 'join-gateway';

/** How a body or answer travels when it is not JSON. */
export type Media = 'json' | 'form' | 'upload' | 'bytes' | 'event-stream';

export interface RouteSpec {
  readonly method: HttpMethod;
  /** OpenAPI path template: `/api/v1/models/{model}`. */
  readonly path: string;
  readonly summary: string;
  readonly access: Access;
  /** Status of success. */
  readonly status: number;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Default `json` when there is a body. */
  readonly bodyMedia?: Media;
  /** Largest JSON or form body; default {@link defaultMaxBodyBytes}. Uploads have their own limit. */
  readonly maxBodyBytes?: number;
  readonly response?: z.ZodType;
  readonly responseMedia?: Media;
  /** Needs an If-Match header, answers an ETag. */
  readonly concurrency?: 'etag';
  /** Takes an Idempotency-Key header: a request that is sent again with its key creates nothing more. */
  readonly idempotencyKey?: true;
  /** Codes beside those that every route can answer. */
  readonly errors?: readonly ErrorCode[];
}

export const defaultMaxBodyBytes = 1_048_576;

/** Keeps the literal types of a route. */
export const route = <const R extends RouteSpec>(spec: R): R => spec;

type Output<T> = T extends z.ZodType ? z.output<T> : undefined;
type Input<T> = T extends z.ZodType ? z.input<T> : undefined;

/** What a server's handler gets: parsed and defaulted. */
export interface RouteInput<R extends RouteSpec> {
  readonly params: Output<R['params']>;
  readonly query: Output<R['query']>;
  readonly body: Output<R['body']>;
}

/** What a client sends: defaults may be left out. */
export interface RouteRequest<R extends RouteSpec> {
  readonly params: Input<R['params']>;
  readonly query: Input<R['query']>;
  readonly body: Input<R['body']>;
}

export type RouteResponse<R extends RouteSpec> = Output<R['response']>;
