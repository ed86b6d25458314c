/** The configuration file: the options of the command line, presets of them, and waivers. */
import { isObject, parseJson } from './json.ts';
import type { CheckResult, Report, Waiver } from './report/report.ts';

/** What a file may hold of each option: as at the command line, without dashes. */
export type FileOptions = Readonly<Record<string, string | boolean | readonly string[]>>;

export interface WaiverRule extends Waiver {
  /** Id of the check, or the beginning of ids that ends in `*`. */
  readonly check: string;
}

export interface Configuration {
  readonly options: FileOptions;
  readonly presets: Readonly<Record<string, FileOptions>>;
  readonly waivers: readonly WaiverRule[];
}

/** Sets of options that come with the suite. */
export const PRESETS: Readonly<Record<string, FileOptions>> = {
  safety: { safety: true, strict: true },
  basics: { only: ['well-known-*', 'subscribe-*', 'confirmation-*', 'publish-*', 'broadcast-*', 'unsubscribe-*'] },
  patient: { slow: '4', concurrency: '2', total: '1800' },
  ira: { spec: 'IRA' },
  release: { strict: true, all: true, total: '900' },
};

const SECRETS = ['token', 'limited-token', 'other-token', 'client-secret', 'other-client-secret'];
const DAY = /^\d{4}-\d\d-\d\d$/;

function optionsOf(where: string, value: unknown, known: readonly string[]): FileOptions {
  if (!isObject(value)) throw new TypeError(`${where}: an object of options`);
  for (const [name, one] of Object.entries(value)) {
    if (SECRETS.includes(name))
      throw new TypeError(`${where}: ${name} is a secret: put it into the environment instead`);
    if (!known.includes(name)) throw new TypeError(`${where}: there is no option ${name}`);
    const text = typeof one === 'string' || typeof one === 'boolean';
    const list = Array.isArray(one) && one.every((entry) => typeof entry === 'string');
    if (!text && !list) throw new TypeError(`${where}: ${name} is a text, true, or a list of texts`);
  }
  return value as FileOptions;
}

function waiverOf(value: unknown, at: number): WaiverRule {
  const where = `waivers[${at}]`;
  if (!isObject(value)) throw new TypeError(`${where}: an object with check, reason and expires`);
  const { check, reason, expires } = value;
  if (typeof check !== 'string' || check === '') throw new TypeError(`${where}: check is missing`);
  if (typeof reason !== 'string' || reason.trim() === '') throw new TypeError(`${where}: reason is missing`);
  if (typeof expires !== 'string' || !DAY.test(expires) || Number.isNaN(Date.parse(expires))) {
    throw new TypeError(`${where}: expires is a day such as 2027-01-31`);
  }
  return { check, reason, expires };
}

/**
 * Reads a configuration file.
 * @param known the names of the options
 * @throws TypeError that names what is wrong
 */
export function readConfiguration(text: string, known: readonly string[]): Configuration {
  const value = parseJson(text);
  if (!isObject(value)) throw new TypeError('the configuration file is no JSON object');
  const { waivers = [], presets = {}, $schema: _schema, ...options } = value;
  if (!Array.isArray(waivers)) throw new TypeError('waivers: a list');
  if (!isObject(presets)) throw new TypeError('presets: an object of sets of options');
  return {
    options: optionsOf('the configuration file', options, known),
    presets: Object.fromEntries(
      Object.entries(presets).map(([name, set]) => [name, optionsOf(`presets.${name}`, set, known)]),
    ),
    waivers: waivers.map(waiverOf),
  };
}

const means = ({ check }: WaiverRule, { id }: CheckResult): boolean =>
  check.endsWith('*') ? id.startsWith(check.slice(0, -1)) : id === check;

/**
 * The report with its waived failures marked. A waiver whose day is over counts no more.
 * @param today `2027-01-31`
 * @returns also what there is to say about the waivers
 */
export function withWaivers(
  report: Report,
  waivers: readonly WaiverRule[],
  today: string,
): { readonly report: Report; readonly notes: readonly string[] } {
  const notes: string[] = [];
  const good = waivers.filter((rule) => {
    if (rule.expires >= today) return true;
    notes.push(`The waiver of ${rule.check} ended on ${rule.expires}.`);
    return false;
  });
  const results = report.results.map((result) => {
    const rule = good.find((one) => means(one, result));
    if (!rule || (result.verdict !== 'fail' && result.verdict !== 'warning')) return result;
    return { ...result, waived: { reason: rule.reason, expires: rule.expires } };
  });
  for (const rule of good) {
    const needed = report.results.some(
      (one) => means(rule, one) && (one.verdict === 'fail' || one.verdict === 'warning'),
    );
    if (!needed) notes.push(`The waiver of ${rule.check} is not needed: nothing failed that it waives.`);
  }
  return { report: { ...report, results }, notes };
}
