/** The options of the command line, and those of files and presets that go before them. */
import { readFileSync } from 'node:fs';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type Configuration, type FileOptions, PRESETS, readConfiguration } from '../config.ts';

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  config: { type: 'string' },
  preset: { type: 'string', multiple: true },
  list: { type: 'boolean' },
  strict: { type: 'boolean' },
  safety: { type: 'boolean' },
  level: { type: 'string' },
  chapter: { type: 'string', multiple: true },
  assume: { type: 'string', multiple: true },
  'other-token': { type: 'string' },
  'other-client-id': { type: 'string' },
  'other-client-secret': { type: 'string' },
  key: { type: 'string' },
  url: { type: 'string' },
  'new-key': { type: 'string' },
  package: { type: 'string' },
  har: { type: 'string' },
  steps: { type: 'boolean' },
  spec: { type: 'string' },
  claim: { type: 'string', multiple: true },
  token: { type: 'string' },
  'limited-token': { type: 'string' },
  'token-seconds': { type: 'string' },
  'client-id': { type: 'string' },
  'client-secret': { type: 'string' },
  'client-key': { type: 'string' },
  'token-url': { type: 'string' },
  smart: { type: 'string' },
  register: { type: 'string' },
  scope: { type: 'string' },
  topic: { type: 'string', multiple: true },
  'topic-command': { type: 'string' },
  'session-user': { type: 'string' },
  'restart-command': { type: 'string' },
  'restart-by-hand': { type: 'boolean' },
  insecure: { type: 'boolean' },
  slow: { type: 'string' },
  total: { type: 'string' },
  concurrency: { type: 'string' },
  only: { type: 'string', multiple: true },
  except: { type: 'string', multiple: true },
  'callback-host': { type: 'string' },
  'callback-port': { type: 'string' },
  'callback-url': { type: 'string' },
  name: { type: 'string' },
  launch: { type: 'string' },
  'state-command': { type: 'string' },
  alone: { type: 'boolean' },
  host: { type: 'string' },
  port: { type: 'string' },
  'public-url': { type: 'string' },
  json: { type: 'string' },
  junit: { type: 'string' },
  html: { type: 'string' },
  'test-report': { type: 'string' },
  badge: { type: 'string' },
  all: { type: 'boolean' },
  quiet: { type: 'boolean' },
  'no-color': { type: 'boolean' },
} as const satisfies ParseArgsConfig['options'];

export type SuiteValues = ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>['values'];

export class UsageError extends Error {}

export function number(
  values: SuiteValues,
  name: 'slow' | 'total' | 'concurrency' | 'token-seconds' | 'port' | 'callback-port',
) {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new UsageError(`--${name}: a number, not ${text}`);
  return value;
}

/** Leaves out what is undefined. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

export function listOf<T extends string>(
  name: string,
  list: readonly string[] | undefined,
  known: readonly T[],
): T[] | undefined {
  return list?.map((text) => {
    const found = known.find((one) => one.toLowerCase() === text.trim().toLowerCase());
    if (!found) throw new UsageError(`--${name}: ${known.join(', ')}; not ${text}`);
    return found;
  });
}

/** What a configuration file says beside options. */
export type SuiteSettings = Pick<Configuration, 'waivers'>;

export const NO_SETTINGS: SuiteSettings = { waivers: [] };

/** `--list --json` lists as JSON on the terminal: the option needs no file there. */
const withListing = (argv: readonly string[]): string[] =>
  argv.map((one, at) =>
    one === '--json' && (argv.includes('--list') || argv[0] === 'checks') && (argv[at + 1] ?? '--').startsWith('--')
      ? '--json=-'
      : one,
  );

/** Options as arguments, for the parser to judge like those of the command line. */
function argumentsOf(options: FileOptions): readonly string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === true) return [`--${name}`];
    if (value === false) return [];
    return (typeof value === 'string' ? [value] : value).map((one) => `--${name}=${one}`);
  });
}

/** The command line, with what the file and the presets say before it: what is said last counts. */
export function parse(argv: readonly string[]) {
  const own = parseArgs({ args: withListing(argv), options: OPTIONS, allowPositionals: true });
  const { config: file, preset = [] } = own.values;
  const known = Object.keys(OPTIONS);
  const config = file === undefined ? undefined : readConfiguration(readFileSync(file, 'utf8'), known);
  const sets = { ...PRESETS, ...config?.presets };
  const before = [...argumentsOf(config?.options ?? {})];
  for (const name of preset) {
    const set = sets[name];
    if (!set) throw new UsageError(`--preset: ${Object.keys(sets).join(', ')}; not ${name}`);
    before.push(...argumentsOf(set));
  }
  const { values, positionals } = parseArgs({
    args: [...before, ...withListing(argv)],
    options: OPTIONS,
    allowPositionals: true,
  });
  return { values, positionals, settings: { waivers: config?.waivers ?? [] } };
}

export const needed = (value: string | undefined, what: string): string => {
  if (value === undefined) throw new UsageError(what);
  return value;
};
