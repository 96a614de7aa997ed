/** What it takes for files to outlive a power cut. */
import { open } from 'node:fs/promises';

/** Makes names in a folder durable: new, renamed or removed ones. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';
