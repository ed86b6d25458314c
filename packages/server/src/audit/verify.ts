/** Verifies the chain in audit files. */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, parse } from 'node:path';
import { createInterface } from 'node:readline';
import { ChainCheck, type ChainEnd } from './chain.ts';

export interface Verified {
  readonly files: readonly string[];
  readonly records: number;
  /** Number of the first record; undefined where there is none. */
  readonly first?: number;
  readonly end?: ChainEnd;
  /** Records that a crash cut off; the chain goes on after them. */
  readonly torn: boolean;
  readonly problems: readonly { readonly file: string; readonly line: number; readonly problem: string }[];
}

/** The file, and before it those that were filled before (`audit-000000012345.jsonl`), in order. */
export async function withFilled(path: string): Promise<readonly string[]> {
  const { dir, name, ext } = parse(path);
  const filled = (await readdir(dir === '' ? '.' : dir)).filter((one) => {
    return (
      one.startsWith(`${name}-`) &&
      one.endsWith(ext) &&
      /^\d+$/.test(one.slice(name.length + 1, -ext.length || undefined))
    );
  });
  return [...filled.sort().map((one) => join(dirname(path), one)), path];
}

/**
 * Reads files one after the other as one chain.
 * @param anchors hashes by number that were noted elsewhere, such as in the server's log
 * @throws when a file cannot be read
 */
export async function verifyAudit(
  files: readonly string[],
  anchors: ReadonlyMap<number, string> = new Map(),
): Promise<Verified> {
  const check = new ChainCheck(anchors);
  const problems: { file: string; line: number; problem: string }[] = [];
  for (const file of files) {
    let at = 0;
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: 0 })) {
      at += 1;
      if (line !== '') check.line(line, at);
    }
    problems.push(...check.problems.splice(0).map((one) => ({ ...one, file: basename(file) })));
  }
  const end = check.finish();
  problems.push(...check.problems.map((one) => ({ ...one, file: basename(files.at(-1) ?? '') })));
  return {
    files,
    records: check.records,
    ...(check.first !== undefined && { first: check.first }),
    ...(end && { end }),
    torn: check.wasTorn,
    problems,
  };
}
