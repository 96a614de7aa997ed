/** Optimistic concurrency: an entity's revision is its strong ETag, and a change must bring it back (RFC 9110 §13.1.1). */
import { SluiceError } from '#platform/errors';
import { createParamDecorator } from '@nestjs/common';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { tap } from 'rxjs';
import type { Observable } from 'rxjs';

/** The revisions that the caller accepts: those of If-Match, or any. */
export type ExpectedRevision = readonly number[] | 'any';

export const etagOf = (revision: number): string => `"${revision}"`;

/** Weak tags never match, so they are left out. An absent header is an error: blind writes lose someone's change. */
export function parseIfMatch(header: string | undefined): ExpectedRevision {
  if (header === undefined || header.trim() === '')
    throw new SluiceError('PRECONDITION_REQUIRED', 'Send the ETag that you read in an If-Match header.');
  if (header.trim() === '*') return 'any';
  return [...header.matchAll(/(?<![\w/])"(\d{1,15})"/g)].map((match) => Number(match[1]));
}

/** @throws SluiceError PRECONDITION_FAILED unless the caller's If-Match covers `revision` */
export function requireRevision(expected: ExpectedRevision, revision: number): void {
  if (expected === 'any' || expected.includes(revision)) return;
  throw new SluiceError(
    'PRECONDITION_FAILED',
    `It is at revision ${revision} now. Read it again, and repeat the change if it still applies.`,
  );
}

/** The revisions of the If-Match header; 428 without one. */
export const IfMatch = createParamDecorator((_: unknown, context): ExpectedRevision => {
  return parseIfMatch(context.switchToHttp().getRequest<FastifyRequest>().headers['if-match']);
});

/** Answers the ETag of a body that has a `revision`. */
export class EtagInterceptor implements NestInterceptor<{ readonly revision: number }> {
  intercept(
    context: ExecutionContext,
    next: CallHandler<{ readonly revision: number }>,
  ): Observable<{ readonly revision: number }> {
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(tap((body) => void reply.header('etag', etagOf(body.revision))));
  }
}
