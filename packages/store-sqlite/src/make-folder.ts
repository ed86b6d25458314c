import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it that are missing. Not by `mkdir`'s `recursive`: below a folder that takes no others, such as
 * `/proc`, it never ends.
 * @param path of the folder; one that is there stays as it is
 * @throws Error of the file system, with its `code`
 */
export function makeFolder(path: string): void {
  const above = dirname(path);
  if (above !== path && !existsSync(above)) makeFolder(above);
  try {
    mkdirSync(path);
  } catch (error) {
    if (!existsSync(path) || !statSync(path).isDirectory()) throw error;
  }
}
