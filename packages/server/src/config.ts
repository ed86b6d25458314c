/** Configuration by environment and file: every value checked, every wrong one named. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { contradictions } from './config/contradictions.ts';
import { type Config, SECRETS, SETTINGS } from './config/settings.ts';
import { isLoopback } from './config/value-readers.ts';

export { type Config, isLoopback };

/** Every wrong value of a configuration. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(
      problems.length === 1
        ? `The configuration has a problem: ${problems[0]}`
        : `The configuration has problems:\n- ${problems.join('\n- ')}`,
    );
    this.problems = problems;
  }
}

/**
 * What Kubernetes puts into a pod's environment for a Service of the same name (`{NAME}_SERVICE_HOST`, `{NAME}_PORT=tcp://…`):
 * no setting, wherever it comes from.
 */
function isOfKubernetes(name: string, value: string): boolean {
  if (/_PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)$/.test(name)) return true;
  if (/_SERVICE_HOST$/.test(name)) return isIP(value) > 0;
  if (/_SERVICE_PORT(_[A-Z0-9_]+)?$/.test(name)) return /^\d+$/.test(value);
  return /_PORT(_\d+_(TCP|UDP|SCTP))?$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value);
}

/** The environment with the values of secrets that are in files. */
function withSecrets(env: NodeJS.ProcessEnv, problems: string[]): NodeJS.ProcessEnv {
  const full = { ...env };
  for (const name of SECRETS) {
    const [variable] = SETTINGS[name];
    const path = env[`${variable}_FILE`];
    if (path === undefined) continue;
    if (env[variable] !== undefined)
      problems.push(`${variable} and ${variable}_FILE exclude each other: set one of them`);
    try {
      full[variable] = readFileSync(path, 'utf8').trim();
    } catch (error) {
      problems.push(
        `${variable}_FILE: the file ${path} cannot be read (${(error as Error).message}): name one that can`,
      );
    }
  }
  return full;
}

const PREFIX = /^LOCKSTEP_/;

/** The setting whose name is nearest to a misspelt one. */
function similar(name: string, names: Iterable<string>): string {
  const [best] = [...names]
    .map((one) => [one, distance(one.replace(PREFIX, ''), name.replace(PREFIX, ''))] as const)
    .filter(([, apart]) => apart <= 2)
    .sort(([, a], [, b]) => a - b);
  return best ? `; did you mean ${best[0]}?` : '';
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function readFile(path: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new ConfigError([`LOCKSTEP_CONFIG: the file ${path} cannot be read: name one that can, or leave it out`]);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below, in words of ours.
  }
  throw new ConfigError([`LOCKSTEP_CONFIG: the file ${path} does not hold a JSON object, such as {"port": 8080}`]);
}

/**
 * Reads the configuration: environment before file before default.
 * @throws ConfigError naming every wrong value and every unknown setting
 */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const file = environment.LOCKSTEP_CONFIG ? readFile(environment.LOCKSTEP_CONFIG) : {};
  const problems: string[] = [];
  const settings = new Set<string>(Object.values(SETTINGS).map(([variable]) => variable));
  const ours = Object.entries(environment).filter(
    ([name, value = '']) => !(name.startsWith('LOCKSTEP_') && isOfKubernetes(name, value)),
  );
  const env = withSecrets(Object.fromEntries(ours), problems);
  const values: Record<string, unknown> = {};
  const variables = new Set<string>([
    'LOCKSTEP_CONFIG',
    ...settings,
    ...SECRETS.map((name) => `${SETTINGS[name][0]}_FILE`),
  ]);
  for (const name of Object.keys(file)) {
    if (!Object.hasOwn(SETTINGS, name))
      problems.push(`${name} in the file is no setting${similar(name, Object.keys(SETTINGS))}`);
  }
  for (const name of Object.keys(env)) {
    if (name.startsWith('LOCKSTEP_') && !variables.has(name))
      problems.push(`${name} is no setting${similar(name, variables)}`);
  }
  for (const [name, [variable, fallback, read]] of Object.entries(SETTINGS)) {
    const inFile = file[name];
    if (inFile !== undefined && typeof inFile !== 'string' && typeof inFile !== 'number') {
      problems.push(`${name} in the file must be a string or a number, such as "on" or 8080`);
      continue;
    }
    const text = env[variable] ?? (inFile === undefined ? fallback : String(inFile));
    if (text === undefined) continue;
    const value = read(text.trim());
    if (typeof value === 'object' && 'problem' in value)
      problems.push(`${env[variable] === undefined ? name : variable} ${value.problem}`);
    else values[name] = value;
  }
  if (problems.length === 0) {
    const local = isLocal(values as unknown as Config);
    values.sampleData ??= local && values.role !== 'hub';
    values.unknownUsers ??= local;
    if (!local) values.audit ??= join(String(values.data), 'audit.jsonl');
  }
  if (values.audit === 'off') delete values.audit;
  values.createSessions ??= values.profile === 'ira';
  values.acknowledgements ??= values.profile === 'ira' ? 'strict' : 'answers';
  const config = values as unknown as Config;
  if (problems.length === 0) problems.push(...contradictions(config));
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/**
 * Whether only this machine can reach Lockstep: registration is open then, and samples are there (REG-2). Behind a proxy it
 * listens on loopback too, and is reached by others for all that.
 */
export function isLocal({ host, publicUrl }: Pick<Config, 'host' | 'publicUrl'>): boolean {
  const outside = publicUrl === undefined ? host : new URL(publicUrl).hostname.replace(/^\[|\]$/g, '');
  return isLoopback(host) && isLoopback(outside);
}

/**
 * What clients use to reach Lockstep, without a trailing slash; with a path where a proxy serves it below one.
 * @param port the port that it listens on, where the configuration leaves that open
 */
export function publicUrlOf(config: Config, port: number): string {
  if (config.publicUrl) return config.publicUrl;
  const host = isLoopback(config.host) || config.host === '0.0.0.0' || config.host === '::' ? 'localhost' : config.host;
  const scheme = config.tlsCert === undefined ? 'http' : 'https';
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
