/** Where a command writes: text for people or JSON for programs, colours only on a terminal. */
import process from 'node:process';
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** A stream that text goes to. */
interface Sink {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** What Hubs and applications wrote must not steer the terminal (CWE-150): of control characters, colours and new lines stay. */
function shown(text: string): string {
  return text.replace(/\p{Cc}/gu, (one, at: number) => {
    const stays = one === '\n' || one === '\t' || (one === '\u001b' && /^\[[\d;]*m/.test(text.slice(at + 1, at + 20)));
    return stays ? one : '\ufffd';
  });
}

export class Terminal {
  /** Whether output is for programs. */
  readonly json: boolean;
  readonly #out: Sink;
  readonly #err: Sink;
  readonly #colors: boolean;
  #progress = false;

  constructor(
    json: boolean,
    env: NodeJS.ProcessEnv = process.env,
    out: Sink = process.stdout,
    err: Sink = process.stderr,
  ) {
    this.json = json;
    this.#out = out;
    this.#err = err;
    this.#colors = !json && !env.NO_COLOR && env.TERM !== 'dumb';
  }

  /** The text in a style, on a terminal that has colours. */
  style(style: Style, text: string, on: Sink = this.#out): string {
    return this.#colors && on.isTTY === true ? styleText(style, text, { validateStream: false }) : text;
  }

  /** A line for people; programs do not get it. */
  line(text = ''): void {
    if (this.json) return;
    this.#clear();
    this.#out.write(`${shown(text)}\n`);
  }

  /** A result: `value` for programs, in one line or indented; the text for people. */
  result(value: unknown, text: () => string): void {
    this.#clear();
    this.#out.write(this.json ? `${JSON.stringify(value, null, 2)}\n` : `${shown(text())}\n`);
  }

  /** One of many results: a JSON line for programs. */
  item(value: unknown, text: () => string): void {
    this.#clear();
    this.#out.write(this.json ? `${JSON.stringify(value)}\n` : `${shown(text())}\n`);
  }

  /** Text as it is, for people and programs. */
  raw(text: string): void {
    this.#clear();
    this.#out.write(text);
  }

  /** Says what is waited for: one line that is written over on a terminal, nothing for programs. */
  progress(text: string): void {
    if (this.json || this.#err.isTTY !== true) return;
    this.#err.write(`\r\u001b[2K${text} ...`);
    this.#progress = true;
  }

  /** Something that is no result, for people: on the error stream. */
  note(text: string): void {
    if (this.json) return;
    this.#clear();
    this.#err.write(`${shown(text)}\n`);
  }

  error(message: string, hint: string | undefined, exit: number): void {
    this.#clear();
    if (this.json) this.#err.write(`${JSON.stringify({ error: message, ...(hint && { hint }), exit })}\n`);
    else this.#err.write(shown(`${this.style('red', 'error:', this.#err)} ${message}\n${hint ? `${hint}\n` : ''}`));
  }

  #clear(): void {
    if (this.#progress) this.#err.write('\r\u001b[2K');
    this.#progress = false;
  }
}

/** Rows as aligned columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
