/** The files of an audit trail: the one that is written, those that were filled before it, and the note beside it. */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';
import type { ChainEnd } from './chain.ts';

/** What a full file is called: by the number of its last record, so that names sort as the records do. */
export function filledName(path: string, last: number): string {
  const { dir, name, ext } = parse(path);
  return join(dir, `${name}-${String(last).padStart(12, '0')}${ext}`);
}

/** The files that were filled before one (`audit-000000012345.jsonl`), in order. @throws when the folder cannot be read */
export async function filledFiles(path: string): Promise<readonly string[]> {
  const { dir, name, ext } = parse(path);
  const filled = (await readdir(dir === '' ? '.' : dir)).filter((one) => {
    return (
      one.startsWith(`${name}-`) &&
      one.endsWith(ext) &&
      /^\d+$/.test(one.slice(name.length + 1, -ext.length || undefined))
    );
  });
  return filled.sort().map((one) => join(dirname(path), one));
}

/** The note beside the file: where the chain stood when the file was last opened again or closed. */
export const endName = (path: string): string => `${path}.end`;

/** What the note beside a file says; undefined where there is none. */
export async function notedEnd(path: string): Promise<ChainEnd | undefined> {
  try {
    const { number, hash } = JSON.parse(await readFile(endName(path), 'utf8')) as ChainEnd;
    return Number.isSafeInteger(number) && typeof hash === 'string' ? { number, hash } : undefined;
  } catch {
    return undefined;
  }
}

const LINE_FEED = 0x0a;

/** The lines of some bytes, without their ends. Only a line feed ends one: every other byte is part of a record. */
export function linesOf(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let from = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, from)) {
    lines.push(bytes.subarray(from, at));
    from = at + 1;
  }
  if (from < bytes.length) lines.push(bytes.subarray(from));
  return lines;
}
