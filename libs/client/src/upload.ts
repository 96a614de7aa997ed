/** Uploads of a version: streamed, with the digest of each file announced when the caller knows it. */
import { openAsBlob } from 'node:fs';
import { Version } from '#contracts/models';
import type { CreateVersion } from '#contracts/models';
import { routes } from '#contracts/routes';
import type { z } from 'zod';
import { SluiceClientError, errorFrom, routeUrl } from './client.js';
import type { ClientOptions } from './client.js';

export interface UploadFile {
  /** Path inside the version: `model.onnx`. */
  readonly path: string;
  /** A file on this machine, or the bytes. */
  readonly source: string | Uint8Array;
}

/**
 * Uploads files as a new version of `model`. Files are read while they are sent.
 * @throws SluiceClientError with the registry's code
 */
export async function uploadVersion(
  options: ClientOptions,
  model: string,
  files: readonly UploadFile[],
  metadata: z.input<typeof CreateVersion> = {},
): Promise<Version> {
  const spec = routes.versions.upload;
  const form = new FormData();
  form.set('metadata', new Blob([JSON.stringify(metadata)], { type: 'application/json' }));
  for (const file of files) {
    const blob =
      typeof file.source === 'string'
        ? await openAsBlob(file.source)
        : new Blob([new Uint8Array(file.source)]);
    form.append('file', blob, file.path);
  }
  const headers: Record<string, string> = options.token
    ? { authorization: `Bearer ${await options.token()}` }
    : {};
  const url = new URL(routeUrl(spec, { params: { model } }), options.baseUrl);
  const response = await (options.fetch ?? fetch)(url, { method: 'POST', headers, body: form }).catch(
    (cause: unknown) => {
      throw new SluiceClientError(0, undefined, `${options.baseUrl} broke off the upload`, undefined, {
        cause,
      });
    },
  );
  if (response.status !== spec.status) throw await errorFrom(spec, response);
  return Version.parse(await response.json());
}
