/** Verifies the chain in audit files. */
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { filledFiles, linesOf, notedEnd } from './audit-files.ts';
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

/** The file, and before it those that were filled before, in order. */
export async function withFilled(path: string): Promise<readonly string[]> {
  return [...(await filledFiles(path)), path];
}

/** The lines of a file as they stand there, byte by byte. */
async function* linesIn(file: string): AsyncGenerator<Uint8Array> {
  let begun: Uint8Array[] = [];
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    const lines = linesOf(chunk);
    const rest = chunk.at(-1) === 0x0a ? undefined : lines.pop();
    for (const line of lines) {
      yield begun.length === 0 ? line : Buffer.concat([...begun, line]);
      begun = [];
    }
    if (rest) begun.push(rest);
  }
  if (begun.length > 0) yield Buffer.concat(begun);
}

/**
 * Reads files one after the other as one chain, which must hold what the note beside the last of them says.
 * @param anchors hashes by number that were noted elsewhere, such as in the server's log
 * @throws when a file cannot be read
 */
export async function verifyAudit(
  files: readonly string[],
  anchors: ReadonlyMap<number, string> = new Map(),
): Promise<Verified> {
  const check = new ChainCheck(anchors, await notedEnd(files.at(-1) ?? ''));
  const problems: { file: string; line: number; problem: string }[] = [];
  for (const file of files) {
    let at = 0;
    for await (const line of linesIn(file)) {
      at += 1;
      check.line(line, at);
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
