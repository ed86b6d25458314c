import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { UnusableDatabase } from './unusable-database.ts';

/** Files that this process uses. SQLite locks them against other processes, but not against another store of this one. */
const taken = new Set<string>();

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/**
 * Takes a file for one store of this process.
 * @returns gives it free
 * @throws UnusableDatabase where another store has it
 */
export function takeFile(path: string): () => void {
  const folder = join(real(dirname(resolve(path))), basename(path));
  const file = real(folder);
  if (taken.has(file)) throw new UnusableDatabase(path, 'in-use', `${path} is in use by another process`);
  taken.add(file);
  return () => void taken.delete(file);
}
