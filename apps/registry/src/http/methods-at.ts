import type { RouteSpec } from '#contracts/route';
import { routes } from '#contracts/routes';

const patterns = Object.values(routes)
  .flatMap((group) => Object.values<RouteSpec>(group))
  .map(({ method, path }) => ({ method, pattern: patternOf(path) }));

function patternOf(path: string): RegExp {
  const literal = path.replace(/[.+*?^$()[\]|\\]/g, String.raw`\$&`);
  return new RegExp(`^${literal.replace(/\{\w+\}/g, '[^/]+')}$`);
}

/** The methods that the route table has for a path, as for an Allow header; none when it does not know the path. */
export function methodsAt(path: string): string[] {
  const methods = patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))].sort();
}
