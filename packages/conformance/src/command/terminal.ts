/** Where the command writes, and the person whom it asks. */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import type { OnProgress } from '../engine.ts';
import { renderProgress } from '../report/terminal.ts';
import type { SuiteValues } from './arguments.ts';

/** Where the command writes and reads; the process's own unless given. */
export interface SuiteTerminal {
  out(text: string): void;
  err(text: string): void;
  readonly color: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** Asks the person at the terminal; undefined where there is none. */
  readonly ask: ((question: string) => Promise<boolean>) | undefined;
  /** Asks for one of several words; undefined where no person is there. */
  readonly choose?: (question: string, words: readonly string[]) => Promise<string>;
}

export function processTerminal(): SuiteTerminal {
  // Who reads the output may have read enough: `| head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true;
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    color: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
    env: process.env,
    ask: interactive ? askPerson : undefined,
    ...(interactive && { choose: choosePerson }),
  };
}

async function askPerson(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await lines.question(`\n${question}\n[y]es, done / [n]o: `);
    return /^y/i.test(answer.trim());
  } finally {
    lines.close();
  }
}

/** Asks for one of the words, or its first letter; the first is meant by Enter. */
async function choosePerson(question: string, words: readonly string[]): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const shown = words.map((word) => `[${word[0]}]${word.slice(1)}`).join(' / ');
    const answer = (await lines.question(`\n${question}\n${shown}: `)).trim().toLowerCase();
    return words.find((word) => answer !== '' && word.startsWith(answer)) ?? words[0] ?? '';
  } finally {
    lines.close();
  }
}

/** Writes a file; `-` is the terminal. */
export function put(file: string, text: string, terminal: SuiteTerminal): void {
  if (file === '-') terminal.out(text);
  else writeFileSync(file, text);
}

export const colored = (values: SuiteValues, terminal: SuiteTerminal) => terminal.color && !values['no-color'];

export function progress(values: SuiteValues, terminal: SuiteTerminal): OnProgress {
  if (values.quiet) return () => {};
  return (step) => terminal.err(`${renderProgress(step, colored(values, terminal))}\n`);
}
