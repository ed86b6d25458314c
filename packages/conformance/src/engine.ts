import { getHeapStatistics } from 'node:v8';
import type { Check } from './check.ts';
import { CheckFailure, CheckSkip } from './expecting.ts';
import { HUB_CHECKS } from './hub/checks.ts';
import { isObject } from './json.ts';
import { Pace } from './pace.ts';
import { pause, unlessAborted, within } from './pause.ts';
import { type Diagnosis, preflight } from './preflight.ts';
import { TargetPresence } from './presence.ts';
import { type CheckResult, countVerdicts, type Finding, REPORT_FORMAT, type Report } from './report/report.ts';
import { requirement } from './requirements.ts';
import { type RestartHub, SharedRestart } from './restart.ts';
import { expectKnown, matches } from './selection.ts';
import { type Claim, type HubVersion, type Level, VERSIONS } from './specification.ts';
import { ASSUMABLE, type Assumable, STEPS } from './steps.ts';
import { CallbackHost } from './target/callback.ts';
import type { PlayedCallbackOptions } from './target/callback-server.ts';
import { claimsOf, eventsOf, REQUIRED_BY_IRA, unclaimed } from './target/claims.ts';
import { type HttpLimits, send } from './target/http.ts';
import { type HubUnderTest, Scenario } from './target/scenario.ts';
import { type Authorization, Tokens } from './target/tokens.ts';
import { TopicPool, type TopicSource } from './target/topics.ts';
import { Transcript } from './transcript.ts';
import { SUITE } from './version.ts';
import { Witness } from './witness.ts';

/** What to test, and how. */
export interface ConformanceOptions {
  /** `hub.url` of the Hub under test. */
  readonly hubUrl: string;
  /** Without it: 3.0.0, and STU2 as well where the Hub claims webhooks. */
  readonly versions?: readonly HubVersion[];
  /** Without it the Hub is taken for an open one. */
  readonly authorization?: Authorization;
  /** Without it the Hub is taken to accept any topic. */
  readonly topics?: TopicSource;
  /** What the Hub does, on top of what its configuration claims. */
  readonly claims?: readonly Claim[];
  /** False to accept self-signed certificates; true unless given. */
  readonly rejectUnauthorized?: boolean;
  /** Factor on every waiting time: 3 for a Hub that is three times slower than a good one. 1 unless given. */
  readonly slowness?: number;
  /** How long to wait for something that has to come, ms; 4000 unless given. */
  readonly timeoutMs?: number;
  /** How long to wait for something that must not come, ms; 300 unless given. */
  readonly settleMs?: number;
  /** Longest time of the whole run, ms; five minutes unless given. */
  readonly totalMs?: number;
  /** Scenarios side by side; 8 unless given, fewer where topics are given. */
  readonly concurrency?: number;
  /** Ids of the checks to run, or beginnings of ids that end in `*`. */
  readonly only?: readonly string[];
  /** Ids of checks to leave out, likewise. */
  readonly except?: readonly string[];
  /** Chapters of the specification such as `2.4`, or words of their headings. */
  readonly chapters?: readonly string[];
  readonly levels?: readonly Level[];
  /** Only what may leave somebody at the wrong patient. */
  readonly safety?: boolean;
  /** Where the Hub reaches the suite, for webhooks. */
  readonly callback?: PlayedCallbackOptions;
  /** What is taken for granted though the Hub does not do it; the check of it fails all the same. */
  readonly assume?: readonly Assumable[];
  /** Restarts the Hub; without it, what outlasts a restart is not checked. */
  readonly restart?: RestartHub;
  /** Whose exchanges the report keeps: those that did not pass unless given. */
  readonly exchanges?: 'failures' | 'all';
  /** Ends the run early; checks that did not run are skipped. */
  readonly signal?: AbortSignal;
}

/** How far a run is. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  /** The check that has just ended. */
  readonly result: CheckResult;
}

export type OnProgress = (progress: Progress) => void;

/** Whether a requirement's heading begins with one of the chapters' numbers, or holds its words. */
function isInChapter(requirements: readonly string[], chapters: readonly string[]): boolean {
  return requirements.some((id) => {
    const { section } = requirement(id);
    return chapters.some((chapter) =>
      /^[\d.]+$/.test(chapter)
        ? section === chapter || section.startsWith(`${chapter} `) || section.startsWith(`${chapter}.`)
        : section.toLowerCase().includes(chapter.toLowerCase()),
    );
  });
}

/** The checks that a run with these options holds. */
export function selectChecks(
  versions: readonly HubVersion[],
  options: Pick<ConformanceOptions, 'only' | 'except' | 'chapters' | 'levels' | 'safety'> = {},
  checks: readonly Check[] = HUB_CHECKS,
): readonly Check[] {
  return checks.filter(
    (check) =>
      check.versions.some((version) => versions.includes(version)) &&
      (options.only === undefined || matches(check.id, options.only)) &&
      !matches(check.id, options.except ?? []) &&
      (options.chapters === undefined || isInChapter(check.requirements, options.chapters)) &&
      (options.levels === undefined || options.levels.includes(check.level)) &&
      (!options.safety || check.safety === true),
  );
}

/**
 * Tests a Hub. It does not throw for what the Hub does: a Hub that cannot be reached, hangs or lies fails its checks.
 * @throws TypeError for options that make no sense
 */
export async function runConformance(options: ConformanceOptions, onProgress: OnProgress = () => {}): Promise<Report> {
  const url = hubUrlOf(options.hubUrl);
  expectKnown('only', options.only, HUB_CHECKS);
  expectKnown('except', options.except, HUB_CHECKS);
  const slowness = positive('slowness', options.slowness ?? 1);
  for (const one of options.assume ?? []) {
    if (!ASSUMABLE.includes(one)) throw new TypeError(`assume: one or more of ${ASSUMABLE.join(', ')}`);
  }
  const base = {
    timeoutMs: positive('timeoutMs', options.timeoutMs ?? 4000),
    settleMs: positive('settleMs', options.settleMs ?? 300),
  };
  const waits = new Pace(base, slowness);
  const limits: HttpLimits = {
    get timeoutMs() {
      return waits.timeoutMs;
    },
    rejectUnauthorized: options.rejectUnauthorized ?? true,
    onRoundTrip: (ms) => waits.saw(ms),
  };
  const startedAt = new Date();
  const end = AbortSignal.timeout(positive('totalMs', options.totalMs ?? 300_000));
  const signal = options.signal ? AbortSignal.any([options.signal, end]) : end;
  const known = Promise.all([readConfiguration(url, limits), TargetPresence.of(url, limits, slowness)]);
  const unknown = [undefined, TargetPresence.none(url, limits)] as const;
  const [configuration, presence] = await Promise.race([known, aborted(signal).then(() => unknown)]);
  const claims = claimsOf(configuration);
  for (const claim of options.claims ?? []) claims.add(claim);
  if (options.versions?.includes('IRA')) for (const claim of REQUIRED_BY_IRA) claims.add(claim);
  if (claims.has('webhooks')) claims.delete('no-webhooks');
  const tokens = new Tokens(options.authorization ?? { kind: 'none' }, limits);
  if (tokens.protects) claims.add('tokens');
  if (tokens.canLimit) claims.add('limited-token');
  if (tokens.hasOther) claims.add('second-client');
  if (options.restart) claims.add('restart');
  else claims.delete('restart');
  const versions = options.versions ?? (claims.has('webhooks') ? ['3.0.0', 'STU2'] : ['3.0.0']);
  if (versions.length === 0 || versions.some((one) => !VERSIONS.includes(one))) {
    throw new TypeError(`versions: one or more of ${VERSIONS.join(', ')}`);
  }
  const callbacks = new CallbackHost(options.callback);
  const topics = new TopicPool(options.topics ?? { kind: 'any' }, url, tokens, limits);
  const events = eventsOf(configuration, versions);
  const assumed = new Set<Assumable>(options.assume);
  const hub: HubUnderTest = {
    url,
    versions: new Set(versions),
    configured: isObject(configuration),
    claims,
    events,
    tokens,
    topics,
    limits,
    waits,
    pace: waits,
    callbacks,
    assumed,
    witness: new Witness(),
    restart: options.restart && new SharedRestart(options.restart, () => presence.answers(), slowness, signal),
  };
  const checks = selectChecks(versions, options);
  if (checks.length === 0)
    throw new TypeError('no check is left: --only, --except, --chapter, --level and --spec exclude each other');
  const ended = aborted(signal).then((): readonly Diagnosis[] => []);
  const diagnosis = await Promise.race([preflight(hub), ended]);
  for (const { assumes } of diagnosis) if (assumes) assumed.add(assumes);
  const stopped = diagnosis.find(({ stops }) => stops);

  const width = Math.min(positive('concurrency', options.concurrency ?? 8), topics.width, Math.max(1, checks.length));
  const endClearing = clearGarbage();
  const found = stopped
    ? unrun(checks, stopped, onProgress)
    : await runAll(checks, width, hub, presence, onProgress, (check) =>
        runCheck(check, hub, signal, options.exchanges ?? 'failures'),
      );
  endClearing();
  await callbacks.close();
  waits.end();
  const results = attributed(found);
  return {
    format: REPORT_FORMAT,
    target: { kind: 'hub', name: url, ...(configuration !== undefined && { configuration }) },
    versions,
    suite: SUITE,
    options: shownOptions(options, url),
    claims: [...claims],
    ...(diagnosis.length > 0 && { diagnosis }),
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    counts: countVerdicts(results),
    results,
  };
}

/**
 * Gives a failure to the check that it is about: where a step on the way failed in the check of that step too, nothing is
 * known of what comes after it.
 */
function attributed(results: readonly CheckResult[]): readonly CheckResult[] {
  const failed = new Set(results.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id));
  return results.map((result) => {
    const { step, expected: _expected, seen: _seen, exchange: _exchange, ...rest } = result;
    const about = step && !STEPS[step].includes(result.id) && STEPS[step].find((id) => failed.has(id));
    return about ? { ...rest, verdict: 'skip', reason: `It needs what ${about} checks, and that failed` } : result;
  });
}

/** The results of a run that could not begin: the first check fails with the reason, the others are skipped. */
function unrun(checks: readonly Check[], { sentence }: Diagnosis, onProgress: OnProgress): readonly CheckResult[] {
  const first = checks.find(({ id }) => id === 'subscribe-accepted') ?? checks[0];
  const finding = (check: Check): Finding =>
    check === first
      ? { verdict: 'fail', reason: sentence, expected: 'a Hub that can be tested', seen: sentence }
      : { verdict: 'skip', reason: `The run could not begin. ${sentence}` };
  const results = checks.map((check) => resultOf(check, finding(check), 0, new Transcript(), 'failures'));
  for (const [index, result] of results.entries()) onProgress({ done: index + 1, total: checks.length, result });
  return results;
}

/** The options of a run as a report shows them: without anything secret. */
function shownOptions(options: ConformanceOptions, url: string): Readonly<Record<string, unknown>> {
  const { signal: _signal, authorization, topics, restart, ...rest } = options;
  const access = authorization && {
    kind: authorization.kind,
    ...('clientId' in authorization && { clientId: authorization.clientId }),
    ...('smart' in authorization && authorization.smart !== undefined && { smart: authorization.smart }),
  };
  return {
    ...rest,
    hubUrl: url,
    ...(access && { authorization: access }),
    ...(topics && { topics: { kind: topics.kind } }),
    ...(restart && { restart: true }),
  };
}

/** Bytes of garbage that are let be: to clear memory takes some ten ms. */
const SOME_GARBAGE = 3_000_000;

/** Clears what checks leave in memory, where the program was started so that it can be done. @returns ends it */
function clearGarbage(): () => void {
  const { gc } = globalThis;
  if (!gc) return () => undefined;
  let least = 0;
  const timer = setInterval(() => {
    if (getHeapStatistics().used_heap_size < least + SOME_GARBAGE) return;
    gc();
    least = getHeapStatistics().used_heap_size;
  }, 50);
  return () => clearInterval(timer);
}

/** Runs the checks side by side; those that an outage of the Hub may have spoilt, again and alone. */
async function runAll(
  checks: readonly Check[],
  width: number,
  { topics, restart }: Pick<HubUnderTest, 'topics' | 'restart'>,
  presence: TargetPresence,
  onProgress: OnProgress,
  run: (check: Check) => Promise<CheckResult>,
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = new Array(checks.length);
  const doubtful: { check: Check; index: number; result: CheckResult }[] = [];
  let done = 0;
  const settle = (index: number, result: CheckResult) => {
    results[index] = result;
    onProgress({ done: ++done, total: checks.length, result });
  };
  // What takes long begins first: the short ones fill the time beside it.
  const queue = checks.map((check, index) => ({ check, index }));
  queue.sort((a, b) => (b.check.seconds ?? 15) - (a.check.seconds ?? 15) || a.index - b.index);
  let heavy = false;
  // A worker for which only heavy checks are left takes one: there is nothing else to do.
  const take = () => queue.splice(Math.max(0, heavy ? queue.findIndex(({ check }) => !check.heavy) : 0), 1)[0];
  const worker = async () => {
    for (let next = take(); next; next = take()) {
      if (presence.gone) {
        settle(next.index, unjudged(next.check));
        continue;
      }
      if (next.check.heavy) heavy = true;
      const result = await run(next.check);
      if (next.check.heavy) heavy = false;
      if (!presence.doubts(result)) settle(next.index, result);
      else {
        doubtful.push({ ...next, result });
        await presence.back();
      }
    }
  };
  const restarting = restart ? queue.filter(({ check }) => check.needs?.includes('restart')) : [];
  const last = queue.filter(({ check }) => check.last);
  for (const one of [...restarting, ...last]) queue.splice(queue.indexOf(one), 1);
  await Promise.all(Array.from({ length: width }, worker));
  // All at once, where there are sessions enough: they share one restart.
  const restarter = async () => {
    for (let next = restarting.shift(); next; next = restarting.shift()) {
      const { check, index } = next;
      settle(index, presence.gone ? unjudged(check) : await restart!.during(() => run(check)));
    }
  };
  await Promise.all(Array.from({ length: Math.min(topics.width, restarting.length) }, restarter));
  queue.push(...last);
  await worker();
  const beside = doubtful.filter(({ result }) => !hadGone(result)).length;
  for (const { check, index, result } of doubtful) {
    if (await presence.back()) settle(index, await run(check));
    else if (beside > 0 && hadGone(result)) settle(index, unjudged(check));
    else settle(index, wentAway(result, beside));
  }
  return results;
}

/** Whether the Hub was not there any more when the check met it. */
const hadGone = (result: CheckResult) => /ECONNREFUSED/.test(result.seen ?? '');

/** @param beside how many checks were under way when the Hub went */
function wentAway(result: CheckResult, beside: number): CheckResult {
  const others = 'checks were under way: with a concurrency of 1 the run shows which of them brings it down';
  const went = `The Hub went away during this check and did not come back${beside > 1 ? `; ${beside} ${others}` : ''}`;
  return { ...result, seen: `${result.seen}. ${went}`, reason: `${went}. ${result.reason ?? ''}` };
}

function unjudged(check: Check): CheckResult {
  const reason = 'The Hub had gone away in an earlier check and did not come back';
  return resultOf(check, { verdict: 'skip', reason }, 0, new Transcript(), 'failures');
}

async function runCheck(
  check: Check,
  hub: HubUnderTest,
  signal: AbortSignal,
  exchanges: 'failures' | 'all',
): Promise<CheckResult> {
  const started = performance.now();
  const transcript = new Transcript();
  const found = await judge(check, hub, signal, transcript);
  return resultOf(check, found, Math.round(performance.now() - started), transcript, exchanges);
}

export function resultOf(
  check: Omit<Check, 'run' | 'needs'>,
  found: Finding,
  durationMs: number,
  transcript: Transcript,
  exchanges: 'failures' | 'all',
): CheckResult {
  const { id, section, quote, link } = requirement(check.requirements[0]);
  const keep = exchanges === 'all' || found.verdict === 'fail' || found.verdict === 'warning';
  return {
    id: check.id,
    title: check.title,
    rule: check.rule,
    level: check.level,
    ...(check.safety && { safety: true }),
    versions: check.versions,
    requirement: { id, section, quote, link },
    ...found,
    durationMs,
    ...(keep && transcript.lines.length > 0 && { exchange: transcript.lines }),
  };
}

async function judge(check: Check, hub: HubUnderTest, signal: AbortSignal, transcript: Transcript): Promise<Finding> {
  const missing = check.needs?.find((claim) => !hub.claims.has(claim));
  if (missing !== undefined) return { verdict: 'skip', reason: unclaimed(missing, hub.configured) };
  if (signal.aborted) return { verdict: 'skip', reason: 'The run was ended before this check' };
  let scenario: Scenario | undefined;
  const limit = new AbortController();
  try {
    const run = async () => {
      const began = await Scenario.begin(hub, transcript, check.id);
      if (limit.signal.aborted) return began.end();
      scenario = began;
      await check.run(began);
    };
    await unlessEnded(signal, Promise.race([run(), tooLate(check.seconds ?? 15, hub.pace, limit.signal)]));
    return { verdict: 'pass' };
  } catch (error) {
    return findingOf(error, check);
  } finally {
    limit.abort();
    // A run that is ended does not wait for a Hub that hangs.
    await within(signal.aborted ? Math.min(1000, hub.waits.timeoutMs) : hub.waits.timeoutMs, scenario?.end());
  }
}

/**
 * Never resolves.
 * @throws CheckFailure when a check has taken that many seconds; where everything takes longer, so may the check
 */
export async function tooLate(seconds: number, pace: { readonly patience: number }, over: AbortSignal): Promise<never> {
  const started = performance.now();
  const left = () => started + seconds * 1000 * pace.patience - performance.now();
  while (left() > 0 && !over.aborted) await pause(left(), over);
  throw new CheckFailure(`an end within ${Math.round(seconds * pace.patience)} s`, 'the scenario was still waiting');
}

/** A check's work. @throws CheckSkip where the run is ended during it */
export const unlessEnded = (signal: AbortSignal | undefined, work: Promise<void>): Promise<void> =>
  unlessAborted(signal, () => new CheckSkip('The run was ended during this check'), work);

/** A check's verdict from what it threw. */
export function findingOf(error: unknown, check: Pick<Check, 'level'>): Finding {
  if (error instanceof CheckSkip) return { verdict: 'skip', reason: error.message };
  if (error instanceof CheckFailure) {
    const { expected, seen } = error;
    const step = error.step && { step: error.step };
    if (check.level === 'MAY') {
      return { verdict: 'skip', reason: `Optional, and not done: ${expected}`, expected, seen };
    }
    const verdict = check.level === 'SHOULD' ? 'warning' : 'fail';
    return { verdict, reason: `Expected ${expected}`, expected, seen, ...step };
  }
  // What a Hub sends is read with care, but should something still trip the check, the Hub sent something odd.
  const reason = `The check could not make sense of what was sent: ${error instanceof Error ? error.message : error}`;
  return { verdict: 'fail', reason, expected: 'messages of FHIRcast', seen: reason };
}

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

async function readConfiguration(url: string, limits: HttpLimits): Promise<unknown> {
  try {
    const request = { method: 'GET', url: `${url}/.well-known/fhircast-configuration` } as const;
    return (await send(request, limits, new Transcript())).json;
  } catch {
    return undefined;
  }
}

function hubUrlOf(text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new TypeError(`hubUrl: an http or https URL, not ${text}`);
  return text.replace(/(?<!\/)\/+$/, '');
}

function positive(name: string, value: number): number {
  if (!Number.isFinite(value) || value <= 0) throw new TypeError(`${name}: a positive number`);
  return value;
}
