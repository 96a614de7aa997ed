/** Artifacts from the registry: one GET with Range, broken off when it stalls. */
import { errorFrom, send } from '#client/client';
import type { ClientOptions } from '#client/client';
import { routes } from '#contracts/routes';
import type { OpenArtifact } from './artifact-cache.js';

/**
 * Without a byte for this long the download is given up; what has come stays. Before it resumes one, the registry reads all that
 * comes before, for its digest: that much time it must have.
 */
const stallMs = 120_000;

export function artifactSource(options: ClientOptions): OpenArtifact {
  return async (sha256, offset, signal) => {
    const stall = new AbortController();
    const watch = setTimeout(() => stall.abort(new Error(`no byte came for ${stallMs} ms`)), stallMs);
    const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const request = { params: { sha256 }, headers, signal: AbortSignal.any([signal, stall.signal]) };
    try {
      const response = await send(options, routes.nodes.artifact, request);
      if (response.status !== 200 && response.status !== 206)
        throw await errorFrom(routes.nodes.artifact, response);
      const start = response.status === 206 ? startOf(response.headers.get('content-range'), offset) : 0;
      return { start, body: watched(response, watch) };
    } catch (error) {
      clearTimeout(watch);
      throw error;
    }
  };
}

/** RFC 9110 §14.4: the range that the answer really holds. */
function startOf(contentRange: string | null, offset: number): number {
  const start = Number(/^bytes (\d+)-/.exec(contentRange ?? '')?.[1] ?? NaN);
  if (start !== offset)
    throw new Error(`the registry answered another range (${contentRange}) than bytes=${offset}-`);
  return start;
}

async function* watched(response: Response, watch: NodeJS.Timeout): AsyncGenerator<Uint8Array> {
  try {
    if (!response.body) return;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      watch.refresh();
      yield chunk;
    }
  } finally {
    clearTimeout(watch);
  }
}
