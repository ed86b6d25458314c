/**
 * Launch forms that use no OAuth (LAU-1): each has a builder and a parser that undo one another. FHIRcast leaves the form
 * open (4.1 "Alternate application launch"); the names are those of its examples, so apps written from them work.
 */
import { readExact } from './exact.ts';

/** What a launched application is given. */
export interface LaunchParameters {
  /** Base URL of the Hub, absolute, http or https. */
  readonly hubUrl: string;
  readonly topic: string;
  /** The user's name in the launching system. */
  readonly user?: string;
  /** Further named values, such as `credentials`; names are letters, digits, `.`, `_` and `-`. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** A launch that cannot be built or read; the message names the value at fault and never quotes it. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
}

const NAME = /^[A-Za-z][A-Za-z0-9._-]*$/;
/** Names under which a launch's own fields are read, compared in lower case; the `cast-` ones are the first draft's. */
const FIELDS: ReadonlyMap<string, 'hubUrl' | 'topic' | 'user'> = new Map([
  ['hub.url', 'hubUrl'],
  ['cast-hub', 'hubUrl'],
  ['hub.topic', 'topic'],
  ['cast-session', 'topic'],
  ['user', 'user'],
]);

function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function checkHubUrl(hubUrl: string): void {
  if (hasControl(hubUrl) || !/^https?:\/\/[^/\s]/i.test(hubUrl) || !URL.canParse(hubUrl))
    throw new LaunchError('hub.url is not an absolute http or https URL');
}

/** The launch as named values, the reserved ones first. */
function toPairs(launch: LaunchParameters): [name: string, value: string][] {
  checkHubUrl(launch.hubUrl);
  if (launch.topic === '') throw new LaunchError('hub.topic is empty');
  const pairs: [string, string][] = [];
  if (launch.user !== undefined) pairs.push(['user', launch.user]);
  for (const [name, value] of Object.entries(launch.parameters ?? {})) {
    if (!NAME.test(name)) throw new LaunchError(`"${name}" cannot be the name of a launch parameter`);
    if (FIELDS.has(name.toLowerCase())) throw new LaunchError(`"${name}" is a name of the launch itself`);
    pairs.push([name, value]);
  }
  pairs.push(['hub.url', launch.hubUrl], ['hub.topic', launch.topic]);
  for (const [name, value] of pairs) {
    if (hasControl(value) || !value.isWellFormed()) throw new LaunchError(`${name} holds control characters`);
  }
  return pairs;
}

/** The first value of a name counts: a later one may have been appended by somebody else. */
function fromPairs(pairs: Iterable<readonly [name: string, value: string]>): LaunchParameters {
  const fields: { hubUrl?: string; topic?: string; user?: string } = {};
  const parameters = new Map<string, string>();
  for (const [name, value] of pairs) {
    const field = FIELDS.get(name.toLowerCase());
    if (field) fields[field] ??= value;
    else if (NAME.test(name) && !parameters.has(name)) parameters.set(name, value);
  }
  const { hubUrl, topic, user } = fields;
  if (hubUrl === undefined) throw new LaunchError('hub.url is missing');
  checkHubUrl(hubUrl);
  if (!topic) throw new LaunchError('hub.topic is missing');
  return {
    hubUrl,
    topic,
    ...(user === undefined ? {} : { user }),
    // fromEntries defines own properties, so that a parameter called __proto__ stays a parameter.
    ...(parameters.size > 0 ? { parameters: Object.fromEntries(parameters) } : {}),
  };
}

/**
 * Arguments for a program: `/hub.url:https://…` (`windows`, the default) or `--hub.url=https://…` (`posix`).
 * Each element is one argument; `windowsCommandLine` and `posixCommandLine` join them where a single string is wanted.
 * @throws LaunchError
 */
export function buildArguments(launch: LaunchParameters, style: 'windows' | 'posix' = 'windows'): string[] {
  return toPairs(launch).map(([name, value]) => (style === 'windows' ? `/${name}:${value}` : `--${name}=${value}`));
}

/**
 * Reads either style of arguments, mixed too; whatever else the program is given is left alone.
 * @param args the program's arguments, without the program itself
 * @throws LaunchError when `hub.url` or `hub.topic` is missing or wrong
 */
export function parseArguments(args: readonly string[]): LaunchParameters {
  const pairs: [string, string][] = [];
  for (const arg of args) {
    const match = /^(?:\/([^:=]+)[:=]|--?([^:=]+)[=:])(.*)$/s.exec(arg);
    if (match) pairs.push([match[1] ?? match[2] ?? '', match[3] ?? '']);
  }
  return fromPairs(pairs);
}

/** Joins a program and its arguments to one command line, quoted as Windows programs take it apart again. */
export function windowsCommandLine(program: string, args: readonly string[]): string {
  return [program, ...args]
    .map((arg) => {
      if (arg !== '' && !/[\s"]/.test(arg)) return arg;
      // Backslashes count as escapes only before a quote.
      return `"${arg.replace(/(?<!\\)(\\*)"/g, '$1$1\\"').replace(/(?<!\\)(\\+)$/, '$1$1')}"`;
    })
    .join(' ');
}

/** Joins a program and its arguments to one command line, quoted as a POSIX shell takes it apart again. */
export function posixCommandLine(program: string, args: readonly string[]): string {
  return [program, ...args]
    .map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}

/** Takes a POSIX command line apart, without expanding anything: the inverse of `posixCommandLine`, the program first. */
export function splitPosixCommandLine(line: string): string[] {
  const args: string[] = [];
  let current: string | undefined;
  // A quoted part, an escaped character, white space, or anything else.
  for (const [, single, double, escaped, space, other] of line.matchAll(
    /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\([\s\S])|(\s+)|([\s\S])/g,
  )) {
    if (space !== undefined) {
      if (current !== undefined) args.push(current);
      current = undefined;
    } else {
      current = (current ?? '') + (single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? escaped ?? other ?? '');
    }
  }
  if (current !== undefined) args.push(current);
  return args;
}

/** Takes a Windows command line apart: the inverse of `windowsCommandLine`, the program first. */
export function splitWindowsCommandLine(line: string): string[] {
  const args: string[] = [];
  let current: string | undefined;
  let quoted = false;
  for (let at = 0; at < line.length; ) {
    const slashes = /^\\+/.exec(line.slice(at, at + 4096))?.[0].length ?? 0;
    const next = line[at + slashes];
    if (slashes > 0) {
      const escaped = next === '"';
      current = (current ?? '') + '\\'.repeat(escaped ? slashes >> 1 : slashes);
      at += slashes;
      if (escaped && slashes % 2 === 1) {
        current += '"';
        at++;
      }
    } else if (next === '"') {
      quoted = !quoted;
      current ??= '';
      at++;
    } else if (!quoted && next !== undefined && /\s/.test(next)) {
      if (current !== undefined) args.push(current);
      current = undefined;
      at++;
    } else {
      current = (current ?? '') + next;
      at++;
    }
  }
  if (current !== undefined) args.push(current);
  return args;
}

/**
 * The app's launch URL with the launch in its query: `?user=…&hub.url=…&hub.topic=…`. The app's own parameters stay;
 * those with a name of the launch are replaced.
 * @throws LaunchError
 */
export function buildWebLaunch(appUrl: string, launch: LaunchParameters): string {
  if (!URL.canParse(appUrl)) throw new LaunchError("the app's launch URL is not absolute");
  const url = new URL(appUrl);
  for (const name of [...url.searchParams.keys()]) {
    if (FIELDS.has(name.toLowerCase())) url.searchParams.delete(name);
  }
  for (const [name, value] of toPairs(launch)) url.searchParams.set(name, value);
  return url.href;
}

/**
 * Reads the launch from a page's address.
 * @param location the page's `location`, a URL, or the text of either
 * @throws LaunchError when `hub.url` or `hub.topic` is missing or wrong
 */
export function parseWebLaunch(location: string | { readonly search: string }): LaunchParameters {
  if (typeof location !== 'string') return fromPairs(new URLSearchParams(location.search));
  if (!URL.canParse(location)) throw new LaunchError('the address is not a URL');
  return fromPairs(new URL(location).searchParams);
}

/**
 * The text of a file for an app's watched folder.
 * @throws LaunchError
 */
export function buildLaunchFile(launch: LaunchParameters, format: 'json' | 'ini' = 'json'): string {
  const pairs = toPairs(launch);
  if (format === 'json') return `${JSON.stringify(Object.fromEntries(pairs), null, 2)}\n`;
  const line = ([name, value]: [string, string]) =>
    `${name}=${/^\s|\s$|^["']|[;#\\]/.test(value) ? JSON.stringify(value) : value}`;
  return `[launch]\n${pairs.map(line).join('\n')}\n`;
}

function iniPairs(text: string): [string, string][] {
  const pairs: [string, string][] = [];
  for (const raw of text.split(/\r\n|\r|\n/)) {
    const line = raw.trim();
    const equals = line.indexOf('=');
    if (line === '' || /^[;#[]/.test(line) || equals < 0) continue;
    const value = line.slice(equals + 1).trim();
    pairs.push([line.slice(0, equals).trim(), unquote(value)]);
  }
  return pairs;
}

function unquote(value: string): string {
  if (value.length < 2 || !value.startsWith('"') || !value.endsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    // Written by a program that quotes without escaping, as Windows paths often are.
    return value.slice(1, -1);
  }
}

/**
 * Reads a dropped file, JSON or ini, recognized by its first character.
 * @throws LaunchError when the text is neither, JSON that has a name twice, or `hub.url` or `hub.topic` is missing or wrong
 */
export function parseLaunchFile(text: string): LaunchParameters {
  const body = text.replace(/^\uFEFF/, '').trimStart();
  if (!body.startsWith('{')) return fromPairs(iniPairs(body));
  const read = readExact(body, {});
  if (!read.ok) {
    const why =
      read.code === 'malformed-json'
        ? 'the launch file is not valid JSON'
        : `the launch file cannot be used: ${read.reason}`;
    throw new LaunchError(why);
  }
  const pairs: [string, string][] = [];
  for (const [name, one] of Object.entries(read.value.value as object)) {
    // The first draft's `cast-session` may be an array: the first session counts, as in a token response.
    const value: unknown = Array.isArray(one) && FIELDS.has(name.toLowerCase()) ? one[0] : one;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      pairs.push([name, String(value)]);
  }
  return fromPairs(pairs);
}

/** A one-time ticket and the Hub that redeems it for hub url, topic and a token. */
export interface LaunchTicket {
  readonly hubUrl: string;
  readonly ticket: string;
}

/**
 * The address that redeems a ticket by POST: `{hub.url}/ticket/{ticket}`. It travels like any launch value: as an
 * argument, a query parameter or a file's content.
 * @throws LaunchError
 */
export function buildTicketUrl({ hubUrl, ticket }: LaunchTicket): string {
  checkHubUrl(hubUrl);
  if (!/^[A-Za-z0-9_-]+$/.test(ticket)) throw new LaunchError('a ticket is base64url text');
  if (/[?#]/.test(hubUrl)) throw new LaunchError('hub.url holds a query or a fragment');
  return `${hubUrl.replace(/(?<!\/)\/+$/, '')}/ticket/${ticket}`;
}

/**
 * Takes a ticket's address apart.
 * @returns `hubUrl` without a trailing slash
 * @throws LaunchError when the text is no ticket address
 */
export function parseTicketUrl(text: string): LaunchTicket {
  const match = /^(https?:\/\/[^?#\s]+?)\/+ticket\/([A-Za-z0-9_-]+)$/i.exec(text.trim());
  if (!match) throw new LaunchError('not the address of a launch ticket');
  const [, hubUrl = '', ticket = ''] = match;
  checkHubUrl(hubUrl);
  return { hubUrl, ticket };
}
