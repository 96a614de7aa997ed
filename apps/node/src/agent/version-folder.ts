/** A version's files under their own names, as links to the cache, so that a model finds its external data beside it. */
import { copyFile, link, mkdir, rm } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';

export interface LinkedFile {
  /** Relative path inside the version. */
  readonly path: string;
  /** The cached artifact. */
  readonly source: string;
}

/** @throws Error when a path would leave the folder */
export function pathInside(folder: string, path: string): string {
  const full = join(folder, path);
  if (!full.startsWith(folder + sep))
    throw new Error(`the file path ${JSON.stringify(path)} leaves the version's folder`);
  return full;
}

/** Fills `folder` with the files. What is there already stays. Hard links: ONNX Runtime follows no symbolic link out of a model's folder. */
export async function fillFolder(folder: string, files: readonly LinkedFile[]): Promise<void> {
  for (const { path, source } of files) {
    const target = pathInside(folder, path);
    await mkdir(dirname(target), { recursive: true });
    await linkOrCopy(source, target);
  }
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK' && code !== 'ENOTSUP') throw error;
    await copyFile(source, target);
  }
}

export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}
