/** What makes received files a version: pure rules, applied before anything is written to the database. */
import type { CreateVersion, VersionFile } from '#contracts/models';
import { SluiceError } from '#platform/errors';
import { digestMismatch } from '#artifacts/digest-stream';

const invalid = (detail: string): SluiceError => new SluiceError('INVALID_REQUEST', detail);

/**
 * Checks the files against the metadata and finds the file to load.
 * @returns the entry file
 * @throws SluiceError INVALID_REQUEST or DIGEST_MISMATCH
 */
export function planVersion(
  files: readonly VersionFile[],
  metadata: Pick<CreateVersion, 'files' | 'entry_file'>,
): string {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const empty = files.find((file) => file.size_bytes === 0);
  if (files.length === 0) throw invalid('The upload holds no file. Send at least one .onnx file.');
  if (empty) throw invalid(`The file "${empty.path}" is empty.`);
  for (const [path, sha256] of Object.entries(metadata.files ?? {})) {
    const file = byPath.get(path);
    if (!file) throw invalid(`metadata.files names "${path}", which was not sent.`);
    if (file.sha256 !== sha256) throw digestMismatch(sha256, file.sha256);
  }
  return entryFile([...byPath.keys()], metadata.entry_file);
}

function entryFile(paths: readonly string[], wanted: string | undefined): string {
  if (wanted !== undefined) {
    if (paths.includes(wanted)) return wanted;
    throw invalid(`The entry file "${wanted}" was not sent.`);
  }
  const models = paths.filter((path) => path.toLowerCase().endsWith('.onnx'));
  const [only] = models;
  if (only !== undefined && models.length === 1) return only;
  throw invalid(
    only === undefined
      ? 'No file is named *.onnx. Name the file to load in metadata.entry_file.'
      : `There are ${models.length} .onnx files. Say in metadata.entry_file which one is to be loaded.`,
  );
}

/** Keeps the paths of one upload apart; a folder and a file of the same name cannot both be on a node's disk. */
export function refuseClash(path: string, taken: ReadonlyMap<string, unknown>): void {
  if (taken.has(path)) throw invalid(`The file "${path}" was sent twice.`);
  const segments = path.split('/');
  const parents = segments.slice(1).map((_, index) => segments.slice(0, index + 1).join('/'));
  const clash =
    parents.find((parent) => taken.has(parent)) ??
    [...taken.keys()].find((other) => other.startsWith(`${path}/`));
  if (clash !== undefined)
    throw invalid(`"${path}" and "${clash}" cannot both be files: one is a folder of the other.`);
}
