/** The suite at the command line. Everything it does is a call of the functions in `index.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type Claim, VERSIONS, type Version } from './check.ts';
import { type ConformanceOptions, type OnProgress, runConformance } from './engine.ts';
import { HUB_CHECKS } from './hub/checks.ts';
import { isObject, parseJson } from './json.ts';
import { renderBadge } from './report/badge.ts';
import { diffReports, renderDiff } from './report/diff.ts';
import { renderHtml } from './report/html.ts';
import { readReport, renderJson } from './report/json.ts';
import { renderJunit } from './report/junit.ts';
import { conforms, type Report } from './report/report.ts';
import { renderProgress, renderTerminal } from './report/terminal.ts';
import { renderTestReport } from './report/test-report.ts';
import { SUBSCRIBER_CHECKS } from './subscriber/checks.ts';
import { runSubscriberConformance } from './subscriber/run.ts';
import { UNCLAIMED } from './target/claims.ts';
import type { Authorization } from './target/tokens.ts';
import type { Topics } from './target/topics.ts';

/** Exit codes. */
export const EXIT = { conforms: 0, fails: 1, usage: 2 } as const;

const HELP = `Tests FHIRcast Hubs and applications by what they do on the wire.

conformance hub URL [options]           test the Hub with this hub.url
conformance subscriber [options]        test an application: the suite plays the Hub
conformance report REPORT.json [files]  write other forms of a report
conformance diff BEFORE.json AFTER.json what changed between two reports
conformance checks                      list the checks

Hub: which specification
  --spec LIST             of ${VERSIONS.join(', ')}; without it 3.0.0, and STU2 where the Hub claims webhooks
  --claim NAME            what the Hub does though its configuration does not say so; may be repeated:
                          get-current, content, select, non-current-updates, webhooks

Hub: access (without any of these it is tested as an open one)
  --token TEXT            access token; better in the environment: FHIRCAST_TOKEN
  --limited-token TEXT    a second one with the scope fhircast/Patient-open.read alone; FHIRCAST_LIMITED_TOKEN
  --token-seconds N       how long the token lives
  --client-id ID          client credentials, with
    --client-secret TEXT    a secret (FHIRCAST_CLIENT_SECRET), or
    --client-key FILE       a private key as JWK (RSA: RS384, P-384: ES384)
    --token-url URL         the token endpoint, or
    --smart URL             the FHIR base URL whose smart-configuration names it
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
  --callback-host, --callback-port, --callback-url   where the Hub reaches the suite, for webhooks

Subscriber
  --name TEXT             the application's name
  --spec LIST             of 3.0.0, IRA; 3.0.0
  --launch COMMAND        starts it, with FHIRCAST_HUB_URL, FHIRCAST_TOPIC and FHIRCAST_TOKEN; SIGTERM quits it.
                          Without it you start it yourself and answer questions
  --state-command COMMAND prints the id of the patient that it shows
  --alone                 ask nobody
  --host, --port, --public-url   where the application reaches the played Hub
  --slow FACTOR, --only ID       as above

Reports
  --json FILE, --junit FILE, --html FILE, --test-report FILE, --badge FILE
  --all                   keep every exchange, and show every check
  --quiet                 no progress
  --no-color

Exit codes: ${EXIT.conforms} nothing failed (diff: nothing got worse), ${EXIT.fails} something failed, ${EXIT.usage} wrong use
`;

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
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
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  readonly color: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** Asks the person at the terminal; undefined where there is none. */
  readonly ask: ((question: string) => Promise<boolean>) | undefined;
}

function processTerminal(): Terminal {
  const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true;
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    color: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
    env: process.env,
    ask: interactive ? askPerson : undefined,
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
    return { kind: 'client', clientId, ...given({ secret, key, smart, tokenUrl: values['token-url'], scope }) };
  }
  const token = values.token ?? env.FHIRCAST_TOKEN;
  if (token === undefined) return undefined;
  const limitedToken = values['limited-token'] ?? env.FHIRCAST_LIMITED_TOKEN;
  return { kind: 'token', token, ...given({ limitedToken, expiresIn: number(values, 'token-seconds') }) };
}

function keyOf(file: string) {
  const key = parseJson(readFileSync(file, 'utf8'));
  if (!isObject(key) || typeof key.kty !== 'string') throw new UsageError(`--client-key: ${file} holds no JWK`);
  return key;
}

function topicsOf(values: Values): Topics | undefined {
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

function hubOptions(hubUrl: string, values: Values, env: NodeJS.ProcessEnv): ConformanceOptions {
  const total = number(values, 'total');
  const callback = given({
    host: values['callback-host'],
    port: number(values, 'callback-port'),
    publicUrl: values['callback-url'],
  });
  return {
    hubUrl,
    ...given({
      versions: listOf<Version>('spec', values.spec?.split(','), VERSIONS),
      claims: listOf<Claim>('claim', values.claim, Object.keys(UNCLAIMED) as Claim[]),
      authorization: authorizationOf(values, env),
      topics: topicsOf(values),
      rejectUnauthorized: values.insecure ? false : undefined,
      slowness: number(values, 'slow'),
      totalMs: total === undefined ? undefined : total * 1000,
      concurrency: number(values, 'concurrency'),
      only: values.only,
      except: values.except,
      exchanges: values.all ? ('all' as const) : undefined,
    }),
    callback,
  };
}

function write(report: Report, values: Values): void {
  const forms: readonly (readonly [string | undefined, () => string])[] = [
    [values.json, () => renderJson(report)],
    [values.junit, () => renderJunit(report)],
    [values.html, () => renderHtml(report)],
    [values['test-report'], () => `${JSON.stringify(renderTestReport(report), undefined, 2)}\n`],
    [values.badge, () => renderBadge(report)],
  ];
  for (const [file, render] of forms) if (file !== undefined) writeFileSync(file, render());
}

function finish(report: Report, values: Values, terminal: Terminal): number {
  // Before the files: one that cannot be written must not take a long run with it.
  terminal.out(renderTerminal(report, { color: colored(values, terminal), all: values.all ?? false }));
  write(report, values);
  return conforms(report) ? EXIT.conforms : EXIT.fails;
}

const colored = (values: Values, terminal: Terminal) => terminal.color && !values['no-color'];

function progress(values: Values, terminal: Terminal): OnProgress {
  if (values.quiet) return () => {};
  return (step) => terminal.err(`${renderProgress(step, colored(values, terminal))}\n`);
}

async function testSubscriber(values: Values, terminal: Terminal): Promise<number> {
  const ask = values.alone ? undefined : terminal.ask;
  if (values.launch === undefined && !ask) {
    throw new UsageError('subscriber needs --launch, or a person at a terminal who starts the application');
  }
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
        // A person takes longer than a program.
        startMs: values.launch === undefined ? 600_000 : undefined,
      }),
    },
    progress(values, terminal),
  );
  return finish(report, values, terminal);
}

function listChecks(terminal: Terminal): void {
  for (const { id, level, versions, title } of HUB_CHECKS)
    terminal.out(`${id}\t${level}\t${versions.join(',')}\t${title}\n`);
  for (const { id, level, versions = ['3.0.0', 'IRA'], title } of SUBSCRIBER_CHECKS) {
    terminal.out(`${id}\t${level}\tsubscriber ${versions.join(',')}\t${title}\n`);
  }
}

function load(file: string | undefined): Report {
  if (file === undefined) throw new UsageError('the file of a report (--json) is missing');
  return readReport(readFileSync(file, 'utf8'));
}

async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  const [command, first, second] = positionals;
  if (values.help || command === undefined || command === 'help') {
    terminal.out(HELP);
    return values.help || command === 'help' ? EXIT.conforms : EXIT.usage;
  }
  switch (command) {
    case 'hub': {
      if (first === undefined) throw new UsageError('hub needs the URL of the Hub');
      const report = await runConformance(hubOptions(first, values, terminal.env), progress(values, terminal));
      return finish(report, values, terminal);
    }
    case 'subscriber':
      return testSubscriber(values, terminal);
    case 'report':
      return finish(load(first), values, terminal);
    case 'diff': {
      const diff = diffReports(load(first), load(second));
      terminal.out(renderDiff(diff));
      return diff.worse.length === 0 ? EXIT.conforms : EXIT.fails;
    }
    case 'checks':
      listChecks(terminal);
      return EXIT.conforms;
    default:
      throw new UsageError(`there is no command ${command}`);
  }
}

/**
 * Runs the command with these arguments, the program's own name left out.
 * @returns the exit code; see {@link EXIT}
 */
export async function main(argv: readonly string[], terminal: Terminal = processTerminal()): Promise<number> {
  try {
    return await run(argv, terminal);
  } catch (error) {
    // Wrong options, and files that cannot be read or written; what the Hub does never throws.
    terminal.err(`${error instanceof Error ? error.message : error}\nconformance --help says more\n`);
    return EXIT.usage;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
