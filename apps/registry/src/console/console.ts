/**
 * Serves the console's files (apps/console, built into dist/) below /console. They are open: a browser must load them before anyone
 * can sign in, and nothing is in them that is not in the sources. Each file has a route of its own, found at start, so no request's
 * path ever becomes a path of the file system; what is no file is a screen's address and answers the page.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '#platform/program';
import type { Logger } from '#platform/logger';
import { route } from '#contracts/route';
import { SluiceError } from '#platform/errors';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

const consoleFolder = join(packageRoot, 'dist', 'apps', 'console');
const prefix = '/console/';
/** The names of files in there hold a digest of their contents. */
const assetsFolder = join(consoleFolder, 'assets');

/** No inline script or style, nothing from elsewhere, calls to this address only. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The page names the assets, so it is asked for each time. */
const cacheControlOf = (file: string): string =>
  file.startsWith(assetsFolder) ? 'public, max-age=31536000, immutable' : 'no-cache';

/** No row of the route table, which is the API's. */
const openRoute = route({
  method: 'GET',
  path: `${prefix}{path}`,
  summary: 'Files of the console',
  access: 'open',
  status: 200,
});

/** Must run before Nest registers its routes (`app.init`). */
export function serveConsole(fastify: FastifyInstance, logger: Logger): void {
  if (!existsSync(join(consoleFolder, 'index.html'))) {
    logger.warn({ folder: consoleFolder }, 'the console was not built and is not served');
    return;
  }
  fastify.register((scope, _options, done) => {
    scope.addHook('onRoute', (options) => {
      options.config = { ...options.config, spec: openRoute };
    });
    scope.register(fastifyStatic, {
      root: consoleFolder,
      prefix,
      wildcard: false,
      index: false,
      cacheControl: false,
      preCompressed: true,
      globIgnore: ['**/*.br', '**/*.gz', '**/*.map', '.*'],
      setHeaders: (reply, file) => void reply.header('cache-control', cacheControlOf(file)),
    });
    scope.get('/console', answerPage);
    scope.get(`${prefix}*`, answerPage);
    done();
  });
}

/** @throws SluiceError NOT_FOUND for an asset that is not there: a page in its place would be taken for a script */
function answerPage(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (request.url.startsWith(`${prefix}assets/`))
    throw new SluiceError('NOT_FOUND', 'The console has no such file. Load its page again.');
  return reply.header('content-security-policy', pagePolicy).sendFile('index.html');
}
