/** Every failure on the admin port becomes problem+json. */
import { Catch, HttpException, Inject } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { SluiceError, toProblem } from '#platform/errors';
import { Core } from '../data-plane/core.js';

@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(@Inject(Core) private readonly core: Core) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const error = this.toSluiceError(thrown);
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (error.code === 'UNAUTHENTICATED') void reply.header('www-authenticate', 'Bearer realm="sluice"');
    void reply.status(error.status).type('application/problem+json').send(toProblem(error));
  }

  private toSluiceError(thrown: unknown): SluiceError {
    if (thrown instanceof SluiceError) return thrown;
    if (thrown instanceof HttpException && thrown.getStatus() === 404)
      return new SluiceError('NOT_FOUND', 'There is nothing at this address.');
    this.core.logger.error({ err: thrown }, 'admin request failed');
    return new SluiceError('INTERNAL', 'The gateway failed.', { cause: thrown });
  }
}
