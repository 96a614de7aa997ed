/** The one place where an error becomes an answer: RFC 9457 problem+json, never a stack, never an unknown error's text. */
import { routes } from '#contracts/routes';
import { SluiceError, toProblem } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { parseTraceparent } from '#platform/trace-context';
import { Catch } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isDocsPath } from '../docs/docs-path.js';
import { toSluiceError } from './error-mapping.js';
import { isMlflowPath, toMlflowError } from './mlflow-error.js';

@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const error = toSluiceError(exception);
    if (error.status >= 500) this.log(error, request);
    // A hijacked or half-sent answer cannot become a problem any more; ending the connection tells the caller.
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    sendProblem(error, request, reply);
  }

  private log(error: SluiceError, request: FastifyRequest): void {
    const trace = parseTraceparent(request.headers['traceparent']);
    const names = { request_id: request.id, ...(trace ? { trace_id: trace.traceId } : {}) };
    const where = { ...names, method: request.method, path: request.url.split('?', 1)[0] };
    this.logger.error({ ...where, code: error.code, err: error.cause ?? error }, 'request failed');
  }
}

/** Sends `error` with the headers that belong to it. */
export function sendProblem(error: SluiceError, request: FastifyRequest, reply: FastifyReply): void {
  if (isMlflowPath(request.url)) return sendMlflowError(error, reply);
  const isTokenRoute = request.routeOptions.config?.spec === routes.auth.token;
  const problem = toProblem(error, request.id);
  // RFC 9110 §11.6.1; a wrong password in a body is not answered by a scheme for the header.
  if (error.status === 401 && error.code !== 'INVALID_CREDENTIALS')
    void reply.header('www-authenticate', challengeOf(error, isTokenRoute || isDocsPath(request.url)));
  if (error.retryAfterS !== undefined) void reply.header('retry-after', String(error.retryAfterS));
  void reply
    .code(error.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .send(JSON.stringify(isTokenRoute ? { ...problem, ...oauthMembers(error) } : problem));
}

/** MLflow's clients look at `error_code` alone. */
function sendMlflowError(error: SluiceError, reply: FastifyReply): void {
  const { status, ...body } = toMlflowError(error);
  if (status === 401) void reply.header('www-authenticate', challengeOf(error, false));
  if (error.retryAfterS !== undefined) void reply.header('retry-after', String(error.retryAfterS));
  void reply
    .code(status)
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify(body));
}

/** RFC 6750 §3, and RFC 6749 §5.2 for the token endpoint. */
function challengeOf(error: SluiceError, takesBasic: boolean): string {
  if (takesBasic) return 'Basic realm="sluice"';
  return error.cause === undefined ? 'Bearer realm="sluice"' : 'Bearer realm="sluice", error="invalid_token"';
}

/** OAuth clients look for these two members (RFC 6749 §5.2); RFC 9457 §3.2 allows them beside ours. */
function oauthMembers(error: SluiceError): { error: string; error_description: string } {
  return { error: oauthErrorOf(error), error_description: error.detail };
}

function oauthErrorOf(error: SluiceError): string {
  if (error.fields?.some((field) => field.path === 'body.grant_type')) return 'unsupported_grant_type';
  if (error.fields?.some((field) => field.path === 'body.scope')) return 'invalid_scope';
  if (error.code === 'INVALID_GRANT' || error.code === 'PERSON_DISABLED') return 'invalid_grant';
  if (error.code === 'INVALID_CLIENT' || error.code === 'CLIENT_DISABLED') return 'invalid_client';
  return error.status >= 500 ? 'server_error' : 'invalid_request';
}
