/** Swagger UI over the OpenAPI document, from files of this installation only. Behind authentication like all else. */
import { programVersion } from '#platform/program';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import type { OpenAPIObject } from '@nestjs/swagger';
import { openApiDocument } from '../openapi/document.js';
import { docsPath, isDocsPath } from './docs-path.js';

/** The page brings inline styles; its scripts are files. */
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

export function serveDocs(app: NestFastifyApplication): void {
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', async (request, reply) => {
      if (isDocsPath(request.url)) reply.header('content-security-policy', pagePolicy);
    });
  const document = openApiDocument(programVersion) as unknown as OpenAPIObject;
  SwaggerModule.setup(docsPath, app, document, { customSiteTitle: 'Sluice API' });
}
