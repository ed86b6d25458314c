/** The suite at the command line. Everything it does is a call of the functions in `index.ts`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { certify, newSigningKey, verifyPackage } from './certificate.ts';
import type { Check } from './check.ts';
import { type Configuration, type FileOptions, PRESETS, readConfiguration, withWaivers } from './config.ts';
import { type ConformanceOptions, type OnProgress, runConformance, selectChecks } from './engine.ts';
import { HUB_CHECKS } from './hub/checks.ts';
import { isObject, parseJson } from './json.ts';
import { replay } from './replay.ts';
import { renderBadge } from './report/badge.ts';
import { diffReports, renderDiff } from './report/diff.ts';
import { renderCurl, renderHar } from './report/har.ts';
import { renderHtml } from './report/html.ts';
import { readReport, renderJson } from './report/json.ts';
import { renderJunit } from './report/junit.ts';
import { renderMatrix } from './report/matrix.ts';
import { type CheckResult, conforms, type Report } from './report/report.ts';
import { renderProgress, renderTerminal } from './report/terminal.ts';
import { renderTestReport } from './report/test-report.ts';
import { requirement } from './requirements.ts';
import { type RestartHub, restartBy } from './restart.ts';
import { type Claim, type HubVersion, type Level, VERSIONS } from './specification.ts';
import { ASSUMABLE, type Assumable } from './steps.ts';
import { SUBSCRIBER_CHECKS } from './subscriber/checks.ts';
import { runSubscriberConformance, type SubscriberTesterOptions } from './subscriber/run.ts';
import { UNCLAIMED } from './target/claims.ts';
import type { Authorization } from './target/tokens.ts';
import type { TopicSource } from './target/topics.ts';

/** Exit codes. */
export const EXIT = { conforms: 0, fails: 1, usage: 2, unreachable: 3 } as const;

const HELP = `Tests FHIRcast Hubs and applications by what they do on the wire.

conformance hub URL [options]           test the Hub with this hub.url
conformance subscriber [options]        test an application: the suite plays the Hub
conformance report REPORT.json [files]  write other forms of a report
conformance diff BEFORE.json AFTER.json what changed between two reports
conformance matrix REPORT.json... --html FILE   many reports on one page
conformance curl REPORT.json CHECK      the requests of one check as a shell script with curl
conformance replay REPORT.json CHECK [--url URL]   sends them again, to another Hub with --url, and tells what is answered otherwise
conformance certify REPORT.json --key FILE --package FILE   a signed package of report, transcript, options and versions
conformance verify PACKAGE [--key FILE] whether a package is as it was signed, by this public key
conformance checks                      list the checks; --list with hub or subscriber lists those of that run

Options from a file
  --config FILE           options as JSON, "presets" of them, and "waivers" with check, reason and expires
  --preset NAME           a set of options: ${Object.keys(PRESETS).join(', ')}, or of the file

Hub: which specification
  --spec LIST             of ${VERSIONS.join(', ')}; without it 3.0.0, and STU2 where the Hub claims webhooks
  --claim NAME            what the Hub does though its configuration does not say so; may be repeated:
                          get-current, content, select, non-current-updates, webhooks

Hub: access (without any of these it is tested as an open one)
  --token TEXT            access token; better in the environment: FHIRCAST_TOKEN
  --limited-token TEXT    a second one with the scope fhircast/Patient-open.read alone; FHIRCAST_LIMITED_TOKEN
  --token-seconds N       how long the token lives
  --other-token TEXT      a token of another client with the same scopes; FHIRCAST_OTHER_TOKEN
  --client-id ID          client credentials, with
    --client-secret TEXT    a secret (FHIRCAST_CLIENT_SECRET), or
    --client-key FILE       a private key as JWK (RSA: RS384, P-384: ES384)
    --token-url URL         the token endpoint, or
    --smart URL             the FHIR base URL whose smart-configuration names it
    --other-client-id ID    a second client, with --other-client-secret (FHIRCAST_OTHER_CLIENT_SECRET)
  --register URL          register as a client at the authorization server of this FHIR base URL (RFC 7591)
  --scope TEXT            scope to ask for

Hub: sessions (without any of these it is taken to accept every topic)
  --topic TOPIC           a session to use; may be repeated: scenarios run side by side in as many as there are
  --topic-command COMMAND prints a new topic
  --session-user USER     POST {hub.url}/session makes one for this user

Hub: conditions
  --insecure              accept self-signed certificates
  --slow FACTOR           multiply every waiting time
  --total SECONDS         longest time of the whole run; 300
  --concurrency N         scenarios side by side; 8
  --only ID, --except ID  checks to run, to leave out; may be repeated; an id may end in *
  --chapter TEXT          checks of a chapter such as 2.4, or of headings with a word; may be repeated
  --level LIST            of SHALL, SHOULD, MAY
  --safety                only what may leave somebody at the wrong patient
  --strict                safety warnings count as failures
  --assume NAME           take for granted, so that the rest is judged: ${ASSUMABLE.join(', ')}
  --callback-host, --callback-port, --callback-url   where the Hub reaches the suite, for webhooks

Hub: what outlasts a restart (not checked without one of these)
  --restart-command COMMAND   restarts the Hub, and ends with 0 once it runs again or is about to; run once, after the other checks
  --restart-by-hand       asks you to restart it

Subscriber
  --name TEXT             the application's name
  --spec LIST             of 3.0.0, IRA; 3.0.0
  --launch COMMAND        starts it, with FHIRCAST_HUB_URL, FHIRCAST_TOPIC and FHIRCAST_TOKEN; SIGTERM quits it.
                          Without it you start it yourself and answer questions
  --state-command COMMAND prints the id of the patient that it shows
  --alone                 ask nobody
  --steps                 stop at every check: run it, skip it, repeat it, or end
  --host, --port, --public-url   where the application reaches the played Hub
  --slow FACTOR, --only ID       as above

Reports
  --json FILE, --junit FILE, --html FILE, --test-report FILE, --badge FILE, --har FILE; - is the terminal
  --all                   keep every exchange, and show every check
  --quiet                 no progress
  --no-color

Exit codes: ${EXIT.conforms} nothing failed (diff: nothing got worse), ${EXIT.fails} something failed, ${EXIT.usage} wrong use, ${EXIT.unreachable} the run could not begin
`;

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

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>['values'];

class UsageError extends Error {}

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

function processTerminal(): SuiteTerminal {
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

/** Lets a person at the terminal decide about every check. */
function stepping(choose: NonNullable<SuiteTerminal['choose']>): NonNullable<SubscriberTesterOptions['step']> {
  let ended = false;
  return async ({ id, title }, found) => {
    if (ended) return 'stop';
    const words = found ? ['next', 'repeat', 'end'] : ['go', 'skip', 'end'];
    const head = found ? `${id}: ${found.verdict}${found.seen ? `, seen: ${found.seen}` : ''}` : `${id}: ${title}`;
    const word = await choose(head, words);
    ended = word === 'end';
    if (ended) return 'stop';
    return word === 'repeat' || word === 'skip' ? word : 'go';
  };
}

function number(values: Values, name: 'slow' | 'total' | 'concurrency' | 'token-seconds' | 'port' | 'callback-port') {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new UsageError(`--${name}: a number, not ${text}`);
  return value;
}

/** Leaves out what is undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function authorizationOf(values: Values, env: NodeJS.ProcessEnv): Authorization | undefined {
  const { scope, smart } = values;
  if (values.register !== undefined) {
    return {
      kind: 'register',
      smart: values.register,
      ...given({ scope, initialAccessToken: env.FHIRCAST_INITIAL_ACCESS_TOKEN }),
    };
  }
  const clientId = values['client-id'];
  if (clientId !== undefined) {
    const secret = values['client-secret'] ?? env.FHIRCAST_CLIENT_SECRET;
    const keyFile = values['client-key'];
    const key = keyFile === undefined ? undefined : keyOf(keyFile);
    if (secret === undefined && key === undefined)
      throw new UsageError('--client-id needs --client-secret or --client-key');
    if (values['token-url'] === undefined && smart === undefined) {
      throw new UsageError('--client-id needs --token-url or --smart');
    }
    const otherId = values['other-client-id'];
    const otherSecret = values['other-client-secret'] ?? env.FHIRCAST_OTHER_CLIENT_SECRET;
    if (otherId !== undefined && otherSecret === undefined) {
      throw new UsageError('--other-client-id needs --other-client-secret');
    }
    const other = otherId === undefined ? undefined : { clientId: otherId, secret: otherSecret ?? '' };
    return { kind: 'client', clientId, ...given({ secret, key, smart, tokenUrl: values['token-url'], scope, other }) };
  }
  const token = values.token ?? env.FHIRCAST_TOKEN;
  if (token === undefined) return undefined;
  const limitedToken = values['limited-token'] ?? env.FHIRCAST_LIMITED_TOKEN;
  const otherToken = values['other-token'] ?? env.FHIRCAST_OTHER_TOKEN;
  return { kind: 'token', token, ...given({ limitedToken, otherToken, expiresIn: number(values, 'token-seconds') }) };
}

function keyOf(file: string) {
  const key = parseJson(readFileSync(file, 'utf8'));
  if (!isObject(key) || typeof key.kty !== 'string') throw new UsageError(`--client-key: ${file} holds no JWK`);
  return key;
}

function topicsOf(values: Values): TopicSource | undefined {
  if (values.topic) return { kind: 'given', topics: values.topic };
  if (values['topic-command'] !== undefined) return { kind: 'command', command: values['topic-command'] };
  if (values['session-user'] !== undefined) return { kind: 'session', user: values['session-user'] };
  return undefined;
}

function listOf<T extends string>(
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

/** How the Hub is restarted. */
function restartOf(hubUrl: string, values: Values, { ask }: Pick<SuiteTerminal, 'ask'>): RestartHub | undefined {
  if (values['restart-command'] !== undefined) return restartBy(values['restart-command'], hubUrl);
  if (!values['restart-by-hand']) return undefined;
  if (!ask) throw new UsageError('--restart-by-hand needs a person at a terminal');
  return async () => {
    if (!(await ask('Restart the Hub now, and say yes once it runs again.'))) throw new Error('nobody restarted it');
  };
}

/** Where the Hub reaches the suite's webhooks. */
const callbackOf = (values: Values) =>
  given({
    host: values['callback-host'],
    port: number(values, 'callback-port'),
    publicUrl: values['callback-url'],
  });

function hubOptions(hubUrl: string, values: Values, terminal: SuiteTerminal): ConformanceOptions {
  const total = number(values, 'total');
  return {
    hubUrl,
    ...given({
      versions: listOf<HubVersion>('spec', values.spec?.split(','), VERSIONS),
      claims: listOf<Claim>('claim', values.claim, Object.keys(UNCLAIMED) as Claim[]),
      authorization: authorizationOf(values, terminal.env),
      topics: topicsOf(values),
      rejectUnauthorized: values.insecure ? false : undefined,
      slowness: number(values, 'slow'),
      totalMs: total === undefined ? undefined : total * 1000,
      concurrency: number(values, 'concurrency'),
      only: values.only,
      except: values.except,
      chapters: values.chapter,
      levels: listOf<Level>('level', values.level?.split(','), ['SHALL', 'SHOULD', 'MAY']),
      safety: values.safety,
      assume: listOf<Assumable>('assume', values.assume, ASSUMABLE),
      exchanges: values.all ? ('all' as const) : undefined,
      restart: restartOf(hubUrl, values, terminal),
    }),
    callback: callbackOf(values),
  };
}

function write(report: Report, values: Values, terminal: SuiteTerminal): void {
  const strict = values.strict ?? false;
  const forms: readonly (readonly [string | undefined, () => string])[] = [
    [values.json, () => renderJson(report)],
    [values.junit, () => renderJunit(report, { strict })],
    [values.html, () => renderHtml(report)],
    [values['test-report'], () => `${JSON.stringify(renderTestReport(report), undefined, 2)}\n`],
    [values.badge, () => renderBadge(report)],
    [values.har, () => renderHar(report)],
  ];
  for (const [file, render] of forms) if (file !== undefined) put(file, render(), terminal);
}

/** Writes a file; `-` is the terminal. */
function put(file: string, text: string, terminal: SuiteTerminal): void {
  if (file === '-') terminal.out(text);
  else writeFileSync(file, text);
}

function finish(found: Report, values: Values, terminal: SuiteTerminal, { waivers }: Settings = NO_SETTINGS): number {
  const { report, notes } = withWaivers(found, waivers, new Date().toISOString().slice(0, 10));
  const strict = values.strict ?? false;
  const stopped = report.diagnosis?.find(({ stops }) => stops);
  // Before the files: one that cannot be written must not take a long run with it.
  if (stopped) terminal.err(`${stopped.sentence}\n`);
  else {
    // What goes to the terminal as data is not mixed with words.
    const say = [values.json, values.junit, values.har].includes('-') ? terminal.err : terminal.out;
    for (const note of notes) terminal.err(`${note}\n`);
    say(renderTerminal(report, { color: colored(values, terminal), all: values.all ?? false, strict }));
  }
  write(report, values, terminal);
  if (stopped) return EXIT.unreachable;
  return conforms(report, { strict }) ? EXIT.conforms : EXIT.fails;
}

const colored = (values: Values, terminal: SuiteTerminal) => terminal.color && !values['no-color'];

function progress(values: Values, terminal: SuiteTerminal): OnProgress {
  if (values.quiet) return () => {};
  return (step) => terminal.err(`${renderProgress(step, colored(values, terminal))}\n`);
}

async function testSubscriber(values: Values, terminal: SuiteTerminal, settings: Settings): Promise<number> {
  const ask = values.alone ? undefined : terminal.ask;
  if (values.launch === undefined && !ask) {
    throw new UsageError('subscriber needs --launch, or a person at a terminal who starts the application');
  }
  if (values.steps && !terminal.choose) throw new UsageError('--steps needs a person at a terminal');
  const report = await runSubscriberConformance(
    {
      name: values.name ?? 'application',
      hub: given({ host: values.host, port: number(values, 'port'), publicUrl: values['public-url'] }),
      ...given({
        versions: listOf('spec', values.spec?.split(','), ['3.0.0', 'IRA'] as const),
        launch: values.launch,
        stateCommand: values['state-command'],
        ask,
        slowness: number(values, 'slow'),
        only: values.only,
        exchanges: values.all ? ('all' as const) : undefined,
        step: values.steps && terminal.choose ? stepping(terminal.choose) : undefined,
        // A person takes longer than a program.
        startMs: values.launch === undefined ? 600_000 : undefined,
      }),
    },
    progress(values, terminal),
  );
  return finish(report, values, terminal, settings);
}

interface Listed {
  readonly id: string;
  readonly title: string;
  readonly level: Level;
  readonly safety: boolean;
  readonly on: 'hub' | 'subscriber';
  readonly versions: readonly HubVersion[];
  readonly rule: string;
  readonly chapter: string;
  readonly needs: readonly string[];
}

const ON_HUBS: readonly Listed[] = HUB_CHECKS.map((check) => ({
  ...described(check),
  on: 'hub',
  versions: check.versions,
  needs: check.needs ?? [],
}));
const ON_SUBSCRIBERS: readonly Listed[] = SUBSCRIBER_CHECKS.map((check) => ({
  ...described(check),
  on: 'subscriber',
  versions: check.versions ?? ['3.0.0', 'IRA'],
  needs: [],
}));

function described({ id, title, level, safety, rule, requirements }: Omit<Check, 'run' | 'versions' | 'needs'>) {
  return { id, title, level, safety: safety ?? false, rule, chapter: requirement(requirements[0]).section };
}

/** Lists checks, as lines or as JSON. */
function list(checks: readonly Listed[], values: Values, terminal: SuiteTerminal): number {
  if (values.json !== undefined) {
    put(values.json, `${JSON.stringify(checks, undefined, 2)}\n`, terminal);
    return EXIT.conforms;
  }
  for (const { id, level, safety, on, versions, title } of checks) {
    const spec = `${on === 'subscriber' ? 'subscriber ' : ''}${versions.join(',')}`;
    terminal.out(`${id}\t${level}${safety ? ' safety' : ''}\t${spec}\t${title}\n`);
  }
  return EXIT.conforms;
}

function load(file: string | undefined): Report {
  if (file === undefined) throw new UsageError('the file of a report (--json) is missing');
  return readReport(readFileSync(file, 'utf8'));
}

/** What a configuration file says beside options. */
type Settings = Pick<Configuration, 'waivers'>;

const NO_SETTINGS: Settings = { waivers: [] };

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
function parse(argv: readonly string[]) {
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

const needed = (value: string | undefined, what: string): string => {
  if (value === undefined) throw new UsageError(what);
  return value;
};

async function testHub(
  url: string | undefined,
  values: Values,
  terminal: SuiteTerminal,
  settings: Settings,
): Promise<number> {
  const options = hubOptions(url ?? 'http://localhost', values, terminal);
  if (values.list) {
    const chosen = new Set(selectChecks(options.versions ?? VERSIONS, options).map(({ id }) => id));
    return list(
      ON_HUBS.filter(({ id }) => chosen.has(id)),
      values,
      terminal,
    );
  }
  needed(url, 'hub needs the URL of the Hub');
  return finish(await runConformance(options, progress(values, terminal)), values, terminal, settings);
}

/** Signs a report; `--new-key` makes the key first. */
function certifyReport(file: string | undefined, values: Values, terminal: SuiteTerminal): number {
  const to = needed(values.package, 'certify needs --package FILE');
  const keyFile = needed(values.key ?? values['new-key'], 'certify needs --key FILE, or --new-key FILE to make one');
  if (values['new-key'] !== undefined) {
    const { privateKey, publicKey } = newSigningKey();
    writeFileSync(keyFile, privateKey, { mode: 0o600, flag: 'wx' });
    writeFileSync(`${keyFile}.pub`, publicKey);
    terminal.err(`The key is in ${keyFile}, its public part in ${keyFile}.pub\n`);
  }
  const text = certify(load(file), readFileSync(keyFile, 'utf8'));
  put(to, text, terminal);
  terminal.err(`Signed by ${verifyPackage(text).fingerprint}\n`);
  return EXIT.conforms;
}

function verifyFile(file: string | undefined, values: Values, terminal: SuiteTerminal): number {
  const text = readFileSync(needed(file, 'verify needs the file of a package'), 'utf8');
  const trusted = values.key === undefined ? undefined : readFileSync(values.key, 'utf8');
  const { problems, fingerprint, summary } = verifyPackage(text, trusted);
  terminal.out(`${summary}\nsigned by ${fingerprint}${trusted === undefined ? ' (no --key to compare with)' : ''}\n`);
  for (const problem of problems) terminal.err(`${problem}\n`);
  terminal.out(problems.length === 0 ? 'the package is as it was signed\n' : 'the package is not to be believed\n');
  return problems.length === 0 ? EXIT.conforms : EXIT.fails;
}

function matrix(files: readonly string[], values: Values, terminal: SuiteTerminal): number {
  if (files.length === 0) throw new UsageError('matrix needs the files of reports (--json)');
  const columns = files.map((file) => {
    const page = file.replace(/\.json$/, '.html');
    return { report: load(file), ...(page !== file && existsSync(page) && { page: relativeTo(values.html, page) }) };
  });
  put(values.html ?? '-', renderMatrix(columns), terminal);
  return columns.every(({ report }) => conforms(report, { strict: values.strict ?? false }))
    ? EXIT.conforms
    : EXIT.fails;
}

const relativeTo = (from: string | undefined, file: string): string =>
  from === undefined || from === '-' ? file : relative(dirname(from), file);

/** A check of a report, with its exchange. */
function checkOf(report: Report, wanted: string): CheckResult {
  const result = report.results.find((one) => one.id === wanted);
  if (!result) throw new UsageError(`the report holds no check ${wanted}`);
  if (!result.exchange) throw new UsageError(`the report keeps no exchange of ${wanted}: run with --all`);
  return result;
}

function curl(file: string | undefined, id: string | undefined, terminal: SuiteTerminal): number {
  const wanted = needed(id, 'curl needs the id of a check');
  terminal.out(renderCurl(checkOf(load(file), wanted)));
  return EXIT.conforms;
}

/** Longest time for one answer or frame of a replay, ms. */
const REPLAY_STEP_MS = 3000;

async function replayCheck(
  file: string | undefined,
  id: string | undefined,
  values: Values,
  terminal: SuiteTerminal,
): Promise<number> {
  const wanted = needed(id, 'replay needs the id of a check');
  const report = load(file);
  const { sent, differences, leftOut, unreachable } = await replay(checkOf(report, wanted), {
    ...given({ token: values.token ?? terminal.env.FHIRCAST_TOKEN }),
    ...(values.url !== undefined && { hub: { from: report.target.name, to: values.url } }),
    rejectUnauthorized: !values.insecure,
    callback: callbackOf(values),
    timeoutMs: REPLAY_STEP_MS * (number(values, 'slow') ?? 1),
    tell: (line) => terminal.out(`${line}\n`),
  });
  if (unreachable !== undefined) {
    terminal.err(`${unreachable}\n`);
    return EXIT.unreachable;
  }
  terminal.out(`${sent} requests sent, ${differences} differences, ${leftOut} left out\n`);
  return differences === 0 && leftOut === 0 ? EXIT.conforms : EXIT.fails;
}

async function run(argv: readonly string[], terminal: SuiteTerminal): Promise<number> {
  const { values, positionals, settings } = parse(argv);
  const [command, first, second, ...others] = positionals;
  if (values.help || command === undefined || command === 'help') {
    terminal.out(HELP);
    return values.help || command === 'help' ? EXIT.conforms : EXIT.usage;
  }
  switch (command) {
    case 'hub':
      return testHub(first, values, terminal, settings);
    case 'subscriber':
      return values.list ? list(ON_SUBSCRIBERS, values, terminal) : testSubscriber(values, terminal, settings);
    case 'report':
      return finish(load(first), values, terminal, settings);
    case 'diff': {
      const diff = diffReports(load(first), load(second));
      terminal.out(renderDiff(diff));
      return diff.worse.length === 0 ? EXIT.conforms : EXIT.fails;
    }
    case 'matrix':
      return matrix(
        [first, second, ...others].filter((one) => one !== undefined),
        values,
        terminal,
      );
    case 'curl':
      return curl(first, second, terminal);
    case 'replay':
      return replayCheck(first, second, values, terminal);
    case 'certify':
      return certifyReport(first, values, terminal);
    case 'verify':
      return verifyFile(first, values, terminal);
    case 'checks':
      return list([...ON_HUBS, ...ON_SUBSCRIBERS], values, terminal);
    default:
      throw new UsageError(`there is no command ${command}`);
  }
}

/**
 * Runs the command with these arguments, the program's own name left out.
 * @returns the exit code; see {@link EXIT}
 */
export async function main(argv: readonly string[], terminal: SuiteTerminal = processTerminal()): Promise<number> {
  try {
    return await run(argv, terminal);
  } catch (error) {
    // Wrong options, and files that cannot be read or written; what the Hub does never throws.
    terminal.err(`${error instanceof Error ? error.message : error}\nconformance --help says more\n`);
    return EXIT.usage;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
