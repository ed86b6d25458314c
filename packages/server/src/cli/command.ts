import type { Terminal } from './terminal.ts';

/** Exit codes, the same for every command. */
export const EXIT = {
  /** Done. */
  done: 0,
  /** Something failed, or a check found a problem. */
  failed: 1,
  /** Wrong use: the command line or the configuration. */
  usage: 2,
  /** The server, the Hub or the authorization server cannot be reached. */
  unreachable: 3,
  /** The server or the Hub refused. */
  refused: 4,
} as const;

export type Exit = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command with a message for the person at the terminal. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exit: Exit;
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(exit: Exit, message: string, hint?: string) {
    super(message);
    this.exit = exit;
    this.hint = hint;
  }
}

/** An option of a command. */
export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** What stands for the value in help, such as `URL`; shown for strings. */
  readonly value?: string;
  readonly choices?: readonly string[];
  /** Completed with file names. */
  readonly file?: boolean;
  readonly help: string;
}

export interface Example {
  readonly line: string;
  readonly means: string;
}

export interface Command {
  /** One or two words. */
  readonly name: string;
  readonly summary: string;
  /** What follows the name, as help shows it: `EVENT [RESOURCE ...]`. */
  readonly takes?: string;
  readonly details?: string;
  readonly options: Readonly<Record<string, Option>>;
  readonly examples: readonly Example[];
  /** Reads its own options instead of having them parsed. */
  readonly raw?: boolean;
  /** @returns the exit code; 0 without one */
  run(call: Call): Promise<number | undefined>;
}

/** What was typed. */
export interface Call {
  readonly values: Values;
  readonly args: readonly string[];
  /** What follows `--`. */
  readonly rest: readonly string[];
  readonly terminal: Terminal;
  readonly env: NodeJS.ProcessEnv;
  /** Aborted by Ctrl-C or SIGTERM: commands that wait end then, normally. */
  readonly signal: AbortSignal;
}

/** The values of options. */
export class Values {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? (value as string[]) : [];
  }

  /** @throws CliError when it was left out */
  required(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === '') throw new CliError(EXIT.usage, `--${name} is missing`);
    return value;
  }

  /** A whole number of at least 0. @throws CliError */
  number(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,9}$/.test(value)) throw new CliError(EXIT.usage, `--${name} must be a whole number`);
    return Number(value);
  }
}
