import { spawn } from 'node:child_process';
import { findingOf, type OnProgress, resultOf, tooLate, unlessEnded } from '../engine.ts';
import { CheckFailure, CheckSkip } from '../expecting.ts';
import { Pace } from '../pace.ts';
import { pause, within } from '../pause.ts';
import { type CheckResult, countVerdicts, type Finding, REPORT_FORMAT, type Report } from '../report/report.ts';
import { expectKnown, matches } from '../selection.ts';
import type { HubVersion } from '../specification.ts';
import { Transcript } from '../transcript.ts';
import { SUITE } from '../version.ts';
import { type AppScenario, SUBSCRIBER_CHECKS, type SubscriberCheck } from './checks.ts';
import { PlayedHub, type PlayedHubOptions } from './played-hub.ts';
import type { PlayedSession } from './played-session.ts';

/** What an application needs to join a session of the Hub that the suite plays. */
export interface Invitation {
  readonly hubUrl: string;
  readonly topic: string;
  /** Bearer token that the application sends. */
  readonly token: string;
}

/** A running application. */
export interface RunningApp {
  /** Quits it in its normal way. */
  quit(): Promise<void>;
  /** What it shows: the id of its patient, `''` for none. */
  shown?(): Promise<string>;
  /** How it ended by itself, in words; undefined while it runs. */
  ended?(): string | undefined;
  /** What it wrote to its error output since it was asked last. */
  written?(): string;
}

/** What a person decides at a step. */
export type StepDecision = 'go' | 'skip' | 'repeat' | 'stop';

export interface SubscriberTesterOptions {
  /** The application's name in the report. */
  readonly name: string;
  /**
   * How it is started: a function; a shell command with `FHIRCAST_HUB_URL`, `FHIRCAST_TOPIC` and `FHIRCAST_TOKEN` in its
   * environment, quit by SIGTERM; or not at all, and a person starts it.
   */
  readonly launch?: string | ((invitation: Invitation) => Promise<RunningApp>);
  /** A shell command that prints the id of the patient shown. */
  readonly stateCommand?: string;
  /**
   * Tells a person at the application what to do; true when it was done.
   * @param invitation what to start the application with, where that is what is to be done
   */
  readonly ask?: (instruction: string, invitation?: Invitation) => Promise<boolean>;
  /**
   * Asked before each check, and after it with what it found: lets a person skip, repeat and end. `skip` after a check means
   * to go on.
   */
  readonly step?: (check: { readonly id: string; readonly title: string }, found?: Finding) => Promise<StepDecision>;
  /** `['3.0.0']` unless given; IRA asks for everything that 3.0.0 asks for, and more. */
  readonly versions?: readonly ('3.0.0' | 'IRA')[];
  readonly hub?: PlayedHubOptions;
  readonly slowness?: number;
  /** How long to wait for something that has to come, ms; 4000 unless given. */
  readonly timeoutMs?: number;
  /** How long to wait for something that must not come, ms; 400 unless given. */
  readonly settleMs?: number;
  /** How long a started application may take to subscribe, ms; 60000 unless given. */
  readonly startMs?: number;
  /** Ids of the checks to run, or beginnings of ids that end in `*`. */
  readonly only?: readonly string[];
  readonly exchanges?: 'failures' | 'all';
  /** Ends the run early; checks that did not run are skipped. */
  readonly signal?: AbortSignal;
}

/** Seconds that one check may take. */
const LONGEST_CHECK = 60;
/** Seconds that one check may take with a person in it. */
const LONGEST_WITH_PERSON = 600;

/** Tests an application, as the Hub that it talks to. */
export async function runSubscriberConformance(
  options: SubscriberTesterOptions,
  onProgress: OnProgress = () => {},
): Promise<Report> {
  expectKnown('only', options.only, SUBSCRIBER_CHECKS);
  const startedAt = new Date();
  const slowness = options.slowness ?? 1;
  const pace = new Pace({ timeoutMs: options.timeoutMs ?? 4000, settleMs: options.settleMs ?? 400 }, slowness);
  const versions: readonly HubVersion[] = options.versions ?? ['3.0.0'];
  const checks = SUBSCRIBER_CHECKS.filter(
    (check) =>
      versionsOf(check).some((version) => versions.includes(version)) &&
      (options.only === undefined || matches(check.id, options.only)),
  );
  const hub = await PlayedHub.start(options.hub);
  const results: CheckResult[] = [];
  try {
    const own = checks.filter(({ own }) => own);
    let guest: Guest | undefined;
    for (const group of [checks.filter(({ own }) => !own), ...own.map((check) => [check])]) {
      if (group.length === 0) continue;
      if (guest && !(await isBack(guest, options))) {
        await leave(guest);
        guest = undefined;
      }
      guest ??= await welcome(hub, pace, options);
      for await (const result of runGroup(group, guest, options)) {
        results.push(result);
        onProgress({ done: results.length, total: checks.length, result });
      }
    }
    if (guest) await leave(guest);
  } finally {
    await hub.close();
    pace.end();
  }
  const judged = attributed(results);
  return {
    format: REPORT_FORMAT,
    target: { kind: 'subscriber', name: options.name },
    versions,
    suite: SUITE,
    options: { versions, slowness, ...(options.only && { only: options.only }) },
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    counts: countVerdicts(judged),
    results: judged,
  };
}

/** Where the application never came, that is the failure of one check: nothing is known of the others. */
function attributed(results: readonly CheckResult[]): readonly CheckResult[] {
  const never = results.find(({ id, verdict }) => id === 'app-subscribes' && verdict === 'fail');
  if (!never) return results;
  return results.map((result) => {
    if (result === never || result.verdict !== 'fail' || result.expected !== COMING) return result;
    const { expected: _expected, seen: _seen, exchange: _exchange, ...rest } = result;
    return { ...rest, verdict: 'skip', reason: 'It needs what app-subscribes checks, and that failed' };
  });
}

const COMING = 'the application to subscribe and to connect';

/** What FHIRcast asks of an application, IRA asks too. */
const versionsOf = ({ versions }: SubscriberCheck): readonly HubVersion[] => versions ?? ['3.0.0', 'IRA'];

/** The application in a session. */
interface Guest {
  readonly session: PlayedSession;
  readonly app: RunningApp | undefined;
  /** Why it did not come. */
  readonly failure: Finding | undefined;
  /** What was exchanged before the first check; it belongs to that. */
  beginning: Transcript | undefined;
}

/** How long an application may take to come back before it is started again, ms where nothing is slow: a person takes longer to start one. */
const BACK = { started: 3000, byPerson: 15_000 };

/** Starts the application and waits until it has subscribed and connected. */
async function welcome(hub: PlayedHub, pace: Pace, options: SubscriberTesterOptions): Promise<Guest> {
  const beginning = new Transcript();
  const session = hub.session(pace, beginning);
  let app: RunningApp | undefined;
  let failure: Finding | undefined;
  try {
    const invitation = { hubUrl: hub.url, topic: session.topic, token: session.token };
    app = options.signal?.aborted ? undefined : await launch(invitation, pace, options);
    const ended = () => (session.connected ? undefined : app?.ended?.());
    const settled = () => session.connected || options.signal?.aborted === true || ended() !== undefined;
    await session.until(COMING, settled, options.startMs ?? 60_000);
    const end = ended();
    if (end !== undefined) throw new CheckFailure(COMING, end);
  } catch (error) {
    failure = findingOf(error, { level: 'SHALL' });
  }
  if (options.signal?.aborted) failure = ENDED;
  return { session, app, failure, beginning };
}

/** Whether the application is in the session for the next check, or comes back by itself: then one start is enough. */
async function isBack({ session, app, failure }: Guest, options: SubscriberTesterOptions): Promise<boolean> {
  if (failure || options.signal?.aborted) return failure === ENDED || options.signal?.aborted === true;
  const patience = options.launch === undefined ? BACK.byPerson : BACK.started;
  const over = () => session.connected || app?.ended?.() !== undefined;
  await session.until('the application to come back', over, patience).catch(() => undefined);
  return session.connected;
}

async function leave({ session, app }: Guest): Promise<void> {
  session.leave();
  await within(
    LEAVING * session.pace.patience + 1000,
    app?.quit().catch(() => undefined),
  );
}

/** Runs checks in one session, one after the other. */
async function* runGroup(
  group: readonly SubscriberCheck[],
  guest: Guest,
  options: SubscriberTesterOptions,
): AsyncGenerator<CheckResult> {
  const { session, app, failure } = guest;
  const scenario: AppScenario = {
    session,
    ask: options.ask,
    shown: options.stateCommand ? () => outputOf(options.stateCommand!, session.pace) : app?.shown?.bind(app),
    quit: app && (() => app.quit()),
  };
  for (const check of group) {
    let done: CheckResult | undefined;
    while (!done) {
      const started = performance.now();
      const transcript = guest.beginning ?? new Transcript();
      guest.beginning = undefined;
      transcript.hide(session.token);
      session.transcript = transcript;
      const decided = (await options.step?.(check)) ?? 'go';
      const unjudged = failure && (!session.subscription || failure === ENDED) ? failure : undefined;
      const skipped = decided === 'skip' || decided === 'stop' ? SKIPPED : undefined;
      const found = unjudged ?? skipped ?? (await judge(check, scenario, options.signal));
      const written = app?.written?.() ?? '';
      if (written !== '') transcript.add('note', 'App', `its error output: ${written}`);
      const again = skipped ? 'go' : ((await options.step?.(check, found)) ?? 'go');
      if (again === 'repeat') continue;
      const took = Math.round(performance.now() - started);
      done = resultOf(
        { ...check, versions: versionsOf(check) },
        found,
        took,
        transcript,
        options.exchanges ?? 'failures',
      );
    }
    yield done;
  }
}

const SKIPPED: Finding = { verdict: 'skip', reason: 'The person at the application skipped it' };

/** How long a started application may take to quit, ms where nothing is slow. */
const LEAVING = 4000;

/** How long a state command may take, ms where nothing is slow. */
const STATE_MS = 10_000;

/** Characters of an application's error output that are kept for one check. */
const MOST_WRITTEN = 4000;

const ENDED: Finding = { verdict: 'skip', reason: 'The run was ended before this check' };

async function judge(check: SubscriberCheck, scenario: AppScenario, signal?: AbortSignal): Promise<Finding> {
  if (signal?.aborted) return ENDED;
  const seconds = scenario.ask ? LONGEST_WITH_PERSON : LONGEST_CHECK;
  const ended = new AbortController();
  try {
    await unlessEnded(
      signal,
      Promise.race([check.run(scenario), tooLate(seconds, scenario.session.pace, ended.signal)]),
    );
    return { verdict: 'pass' };
  } catch (error) {
    return findingOf(error, check);
  } finally {
    ended.abort();
  }
}

async function launch(
  invitation: Invitation,
  pace: Pace,
  options: SubscriberTesterOptions,
): Promise<RunningApp | undefined> {
  if (typeof options.launch === 'function') return options.launch(invitation);
  if (options.launch !== undefined) return spawnApp(options.launch, invitation, pace);
  const instruction = `Start the application with hub.url ${invitation.hubUrl} and hub.topic ${invitation.topic} (access token ${invitation.token}).`;
  if (!options.ask) throw new CheckSkip('Nobody starts the application: neither a command nor a person is there');
  if (!(await options.ask(instruction, invitation))) throw new CheckSkip('The application was not started');
  return undefined;
}

function spawnApp(command: string, invitation: Invitation, pace: Pace): RunningApp {
  const child = spawn(command, {
    shell: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own, so that quitting reaches the application behind the shell.
    detached: process.platform !== 'win32',
    env: {
      ...process.env,
      FHIRCAST_HUB_URL: invitation.hubUrl,
      FHIRCAST_TOPIC: invitation.topic,
      FHIRCAST_TOKEN: invitation.token,
    },
  });
  let ended: string | undefined;
  let written = '';
  let last = '';
  child.stderr.on('data', (data) => {
    written = `${written}${data}`.slice(-MOST_WRITTEN);
    last = `${last}${data}`.slice(-300);
  });
  const gone = new Promise<void>((resolve) => {
    child.once('close', (code, killed) => {
      // A shell that has put the application into the background ends well.
      const said = last.trim();
      if (code !== 0) ended = `it ended with ${killed ?? `exit code ${code}`}${said === '' ? '' : `: ${said}`}`;
      resolve();
    });
    child.once('error', (error) => {
      ended = `it could not be started: ${error.message}`;
      resolve();
    });
  });
  /** @returns whether somebody was there to hear it */
  const signal = (name: NodeJS.Signals | 0): boolean => {
    try {
      return child.pid !== undefined && process.kill(process.platform === 'win32' ? child.pid : -child.pid, name);
    } catch {
      // It has ended by itself.
      return false;
    }
  };
  return {
    ended: () => ended,
    written: () => {
      const since = written;
      written = '';
      return since;
    },
    quit: async () => {
      const started = performance.now();
      const left = () => started + LEAVING * pace.patience - performance.now();
      signal('SIGTERM');
      await within(left(), gone);
      // The shell ends at once; the application behind it may still be taking its leave.
      while (signal(0) && left() > 0) await pause(20);
      signal('SIGKILL');
    },
  };
}

/** What a command prints. @throws CheckSkip where it fails or takes too long */
export function outputOf(command: string, pace: Pick<Pace, 'patience'>): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, {
      shell: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      // Whole ms: others are refused.
      timeout: Math.ceil(STATE_MS * pace.patience),
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (data) => {
      text += data;
    });
    child.on('error', (error) => reject(new CheckSkip(`The state command failed: ${error.message}`)));
    child.on('close', (code) => {
      if (code === 0) resolve(text.trim());
      else reject(new CheckSkip(`The state command failed with exit code ${code}`));
    });
  });
}
