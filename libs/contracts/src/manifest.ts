/** What a signature is over: one text that says which files, under which names, are which model. */
import type { VersionFile } from './models.js';

/**
 * `sluice-manifest-1`, the model, the entry file, then one line per file as `sha256sum` writes it, by path. Names hold no line breaks.
 * The version's number is no part of it: it is not known before the upload.
 */
export const manifestOf = (
  model: string,
  entryFile: string,
  files: readonly Pick<VersionFile, 'path' | 'sha256'>[],
): string =>
  [
    'sluice-manifest-1',
    `model ${model}`,
    `entry ${entryFile}`,
    ...files
      .toSorted((one, other) => (one.path < other.path ? -1 : 1))
      .map(({ path, sha256 }) => `${sha256}  ${path}`),
    '',
  ].join('\n');
